package etcddecode

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

// Errors that a [DecodeError] can wrap.
var (
	// ErrEncrypted is a value that nothing at hand can decrypt; the error's Encryption says what would.
	ErrEncrypted = errors.New("can't be decrypted")
	// ErrMalformed is a value that starts like one of the formats and is damaged.
	ErrMalformed = errors.New("malformed")
	// ErrUnrecognized is a value in none of the formats.
	ErrUnrecognized = errors.New("no format that Kubernetes stores")
)

// DecodeError says which value could not be decoded and why. Its text has no bytes of the value.
type DecodeError struct {
	Key        string // "" if it was not given
	Encryption Encryption
	Err        error
}

// Error is the key, what encrypts the value if anything does, and what is wrong.
func (e *DecodeError) Error() string {
	var b strings.Builder
	switch {
	case strings.ContainsFunc(e.Key, unicode.IsControl):
		fmt.Fprintf(&b, "%q: ", e.Key)
	case e.Key != "":
		fmt.Fprintf(&b, "%s: ", e.Key)
	}
	if !e.Encryption.IsZero() {
		fmt.Fprintf(&b, "encrypted with %s: ", e.Encryption)
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns what is wrong.
func (e *DecodeError) Unwrap() error { return e.Err }

// Options are what decoding depends on. The zero value decrypts nothing, hides secrets and keeps all else.
type Options struct {
	// Keyring decrypts. Nil means that encrypted values are errors.
	Keyring *Keyring
	// ShowSecrets turns redaction off.
	ShowSecrets bool
	// Sensitive fields are redacted beside those that always are.
	Sensitive []Rule
	// OmitManagedFields drops metadata.managedFields, as kubectl does unless told otherwise.
	OmitManagedFields bool
}

// Decoder turns stored values into objects. It is immutable and safe for concurrent use.
type Decoder struct {
	options Options
	rules   []rule
}

// NewDecoder returns a decoder. A rule that can't be is an error.
func NewDecoder(o Options) (*Decoder, error) {
	rules, err := compileRules(o.Sensitive)
	if err != nil {
		return nil, err
	}
	return &Decoder{options: o, rules: rules}, nil
}

// Value is what etcd holds under a key.
type Value struct {
	// Key is the whole key, /registry/secrets/default/token say. Decryption needs it with all providers but aescbc and
	// secretbox; elsewhere it may be empty.
	Key string
	// Bytes are the stored value. Nothing keeps or changes them.
	Bytes []byte
	// ModRevision becomes metadata.resourceVersion unless it is 0. The API server stores none.
	ModRevision int64
}

// Decode decrypts and decodes a value. It blocks only where a KMS is asked for a key, for which ctx is. Errors are of
// type *[DecodeError].
func (d *Decoder) Decode(ctx context.Context, v Value) (*Object, error) {
	o := &Object{}
	if err := d.DecodeInto(ctx, o, v); err != nil {
		return nil, err
	}
	return o, nil
}

// DecodeInto is Decode into an object whose memory is used again. What was taken from the object before stays valid.
// After an error the object is empty.
func (d *Decoder) DecodeInto(ctx context.Context, o *Object, v Value) error {
	o.reset()
	o.Key = PrintableKey(v.Key)
	plain, err := d.decrypt(ctx, o, v)
	if err == nil {
		err = o.read(plain, d.options.OmitManagedFields)
	}
	if err != nil {
		failed := &DecodeError{Key: o.Key, Encryption: o.Encryption, Err: err}
		o.reset()
		return failed
	}
	d.finish(o, v)
	return nil
}

func (d *Decoder) decrypt(ctx context.Context, o *Object, v Value) ([]byte, error) {
	_, encryption := Sniff(v.Bytes)
	if encryption.IsZero() {
		return v.Bytes, nil
	}
	o.Encryption = encryption
	if d.options.Keyring == nil {
		return nil, fmt.Errorf("%w: there is no encryption configuration", ErrEncrypted)
	}
	opened, err := d.options.Keyring.Open(ctx, v.Key, v.Bytes)
	if err != nil {
		return nil, err
	}
	o.Encryption = opened.Encryption
	if _, twice := Sniff(opened.Plaintext); !twice.IsZero() {
		return nil, fmt.Errorf("%w: encrypted twice", ErrMalformed)
	}
	return opened.Plaintext, nil
}

// read fills the object from a value that is not encrypted.
func (o *Object) read(value []byte, omitManaged bool) error {
	if isBase64(value) {
		decoded, err := base64.StdEncoding.DecodeString(string(value))
		if err != nil {
			return fmt.Errorf("%w base64", ErrMalformed)
		}
		value = decoded
	}
	o.Format, _ = Sniff(value)
	text := string(value) // everything in the tree is a part of this copy
	o.tree.reset(len(text))
	var err error
	switch o.Format {
	case Protobuf:
		err = o.readProtobuf(text[len(magicProtobuf):], omitManaged)
	case JSON:
		o.Fidelity = Typed
		err = readJSON(&o.tree, -1, "", text, o.foundAt)
	case CBOR:
		o.Fidelity = Typed
		err = readCBOR(&o.tree, text[len(magicCBOR):], o.foundAt)
	case Text:
		o.Fidelity = Schemaless
		o.tree.add(-1, node{kind: kindString, text: text})
		return nil
	default:
		return ErrUnrecognized
	}
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrMalformed, o.Format, err)
	}
	if o.Format != Protobuf {
		if o.tree.nodes[0].kind != kindMap {
			return fmt.Errorf("%w %s: no object", ErrMalformed, o.Format)
		}
		o.APIVersion, o.Kind = o.tree.text("apiVersion"), o.tree.text("kind")
	}
	return nil
}

func (o *Object) readProtobuf(msg string, omitManaged bool) error {
	u, err := readUnknown(msg)
	if err != nil {
		return err
	}
	if u.encoding != "" || u.contentType != "" && u.contentType != "application/vnd.kubernetes.protobuf" {
		return errors.New("the object inside has an encoding of its own")
	}
	o.APIVersion, o.Kind = u.apiVersion, u.kind
	root := o.tree.add(-1, node{kind: kindMap})
	r := protoReader{tree: &o.tree, omitManaged: omitManaged, found: o.found}
	// encoding/json leaves out what is empty in TypeMeta.
	for _, f := range [2][2]string{{"apiVersion", u.apiVersion}, {"kind", u.kind}} {
		if f[1] != "" {
			o.tree.add(root, node{key: f[0], kind: kindString, text: r.utf8(f[1], "")})
		}
	}
	id, known := tables.Lookup(u.apiVersion, u.kind)
	if !known {
		o.Fidelity = Schemaless
		return r.unknownKind(root, u.raw)
	}
	o.Fidelity = Typed
	_, err = r.message(root, id, u.raw)
	return err
}

func (o *Object) foundAt(offset int, reason Reason) {
	o.found([]step{{name: "byte " + strconv.Itoa(offset)}}, reason, "")
}

func (o *Object) found(path []step, reason Reason, raw string) {
	if o.Fidelity == Typed && reason != RemovedField {
		o.Fidelity = TypedWithLoss
	}
	if len(o.findings) >= maxFindings {
		o.more++
		return
	}
	f := Finding{Path: pathText(path), Reason: reason}
	if raw != "" {
		f.Wire = []byte(raw)
	}
	o.findings = append(o.findings, f)
}

// finish applies the options.
func (d *Decoder) finish(o *Object, v Value) {
	if meta, ok := o.tree.get(0, "metadata"); ok && o.tree.nodes[meta].kind == kindMap {
		if v.ModRevision != 0 {
			o.tree.set(meta, "resourceVersion", strconv.FormatInt(v.ModRevision, 10))
		}
		if d.options.OmitManagedFields {
			o.tree.remove(meta, "managedFields")
		}
	}
	if !d.options.ShowSecrets {
		o.redact(v.Key, d.rules)
	}
}
