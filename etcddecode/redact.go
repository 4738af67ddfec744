package etcddecode

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// RedactedText stands where a secret was. [Encode] refuses it.
const RedactedText = "<redacted>"

// Rule names fields that are secrets.
type Rule struct {
	// Group and Kind of the objects. The core group is "".
	Group, Kind string
	// Path is keys separated by dots, * for all elements of a list or entries of a map: spec.containers.*.env.*.value.
	// Everything under it is redacted.
	Path string
}

type rule struct {
	group, kind string
	path        []string
}

// secretFields are redacted unless Options.ShowSecrets is set. Whatever one applies to also loses its copies in
// annotations. The rules of groups other than Kubernetes' own are for objects that are themselves credentials.
//
//nolint:gochecknoglobals // constant
var secretFields = []rule{
	{"", "Secret", []string{"data"}},
	{"", "Secret", []string{"stringData"}},
	{"authentication.k8s.io", "TokenRequest", []string{"status", "token"}},
	{"authentication.k8s.io", "TokenReview", []string{"spec", "token"}},
	{"route.openshift.io", "Route", []string{"spec", "tls", "key"}},
	{"oauth.openshift.io", "OAuthAccessToken", []string{"refreshToken"}},
	{"oauth.openshift.io", "OAuthAccessToken", []string{"authorizeToken"}},
	{"oauth.openshift.io", "OAuthAuthorizeToken", []string{"codeChallenge"}},
	{"oauth.openshift.io", "OAuthClient", []string{"secret"}},
	{"oauth.openshift.io", "OAuthClient", []string{"additionalSecrets"}},
	{"management.cattle.io", "Token", []string{"token"}},
	{"management.cattle.io", "ClusterRegistrationToken", []string{"status"}},
}

// appliedAnnotations hold a copy of an object as someone applied it.
//
//nolint:gochecknoglobals // constant
var appliedAnnotations = []string{
	"kubectl.kubernetes.io/last-applied-configuration",
	"kapp.k14s.io/original",
	"objectset.rio.cattle.io/applied",
	"banzaicloud.com/last-applied",
}

func compileRules(rules []Rule) ([]rule, error) {
	var out []rule
	for _, r := range rules {
		path := strings.Split(r.Path, ".")
		if r.Kind == "" || slices.Contains(path, "") {
			return nil, fmt.Errorf("sensitive field %q of kind %q: both need a value, such as spec.containers.*.env.*.value of Pod", r.Path, r.Kind)
		}
		out = append(out, rule{r.Group, r.Kind, path})
	}
	return out, nil
}

// redact replaces secrets in the tree. The key says what a value is when the value does not.
func (o *Object) redact(key string, more []rule) {
	if len(o.tree.nodes) == 0 {
		return
	}
	o.redactObject(0, o.APIVersion, o.Kind, more)
	if o.Kind == "List" || strings.HasSuffix(o.Kind, "List") {
		o.redactItems(more)
	}
	o.redactPrivateKeys()
	isSecret := o.APIVersion == "v1" && o.Kind == "Secret"
	mayBeSecret := !isSecret && o.mayBeSecret(key)
	switch {
	case mayBeSecret:
		o.redactAllBut("apiVersion", "kind", "metadata")
	case isSecret: // also fields that no Secret has
		o.redactAllBut("apiVersion", "kind", "metadata", "type", "immutable")
	}
	if o.Redacted {
		o.tree.redactCopies(0)
	}
	if o.Redacted || isSecret || mayBeSecret { // nobody knows what is in a field without a name
		for i := range o.findings {
			o.findings[i].Wire = nil
		}
	}
}

// mayBeSecret reports whether an object that no rule is for may hold credentials, by its kind or where it stands: of a
// damaged Secret, a bit of the kind may be wrong.
func (o *Object) mayBeSecret(key string) bool {
	k, ok := ParseKey(key)
	switch {
	case ok && k.Group == "" && k.Resource == "secrets":
		return true
	case o.Kind == "":
		return looksSecret(key) || key == "" && o.Format == Protobuf
	}
	return o.Fidelity == Schemaless && (looksSecret(o.Kind) || ok && looksSecret(k.Resource))
}

func (o *Object) redactItems(more []rule) {
	items, ok := o.tree.get(0, "items")
	if !ok {
		return
	}
	for _, i := range o.tree.children(nil, items) {
		apiVersion, kind := o.APIVersion, strings.TrimSuffix(o.Kind, "List")
		if k, ok := o.tree.get(i, "kind"); ok {
			kind = o.tree.nodes[k].text
		}
		if v, ok := o.tree.get(i, "apiVersion"); ok {
			apiVersion = o.tree.nodes[v].text
		}
		if o.redactObject(i, apiVersion, kind, more) {
			o.tree.redactCopies(i)
		}
	}
}

func (o *Object) redactObject(root int32, apiVersion, kind string, more []rule) bool {
	group, _, hasGroup := strings.Cut(apiVersion, "/")
	if !hasGroup {
		group = ""
	}
	did := false
	for _, rules := range [2][]rule{secretFields, more} {
		for i := range rules {
			if r := &rules[i]; r.kind == kind && r.group == group {
				did = o.tree.redactPath(root, r.path) || did
			}
		}
	}
	if group == "" && kind == "ConfigMap" && o.tree.isHelmRelease(root) {
		did = o.tree.redactPath(root, []string{"data"}) || did
	}
	if group == "oauth.openshift.io" && strings.HasSuffix(kind, "Token") {
		did = o.tree.redactTokenName(root) || did
	}
	// A Secret's copies are secrets even when nothing is left of the Secret.
	if group == "" && kind == "Secret" {
		did = o.tree.redactCopies(root) || did
	}
	o.Redacted = o.Redacted || did
	return did
}

// isHelmRelease recognizes the releases that Helm keeps in ConfigMaps when told to; they have all values in them.
func (t *tree) isHelmRelease(root int32) bool {
	for _, label := range [2][2]string{{"owner", "helm"}, {"OWNER", "TILLER"}} {
		if i, ok := t.at(root, "metadata", "labels", label[0]); ok && t.nodes[i].text == label[1] {
			return true
		}
	}
	return false
}

// redactTokenName hides the name of an object whose name is the token; newer ones have a hash for a name.
func (t *tree) redactTokenName(root int32) bool {
	name, ok := t.at(root, "metadata", "name")
	if !ok || strings.HasPrefix(t.nodes[name].text, "sha256~") {
		return false
	}
	return t.redactAll(name)
}

func (t *tree) redactPath(at int32, path []string) bool {
	if len(path) == 0 {
		return t.redactAll(at)
	}
	did := false
	for i := t.nodes[at].first; i != 0; i = t.nodes[i].next {
		if path[0] == "*" || t.nodes[at].kind == kindMap && t.nodes[i].key == path[0] {
			did = t.redactPath(i, path[1:]) || did
		}
	}
	return did
}

// redactAll replaces every value under a node, and keeps a digest of each so that two objects can be compared.
func (t *tree) redactAll(at int32) bool {
	n := &t.nodes[at]
	switch n.kind {
	case kindNull:
		return false
	case kindList, kindMap:
		did := false
		for i := n.first; i != 0; i = t.nodes[i].next {
			did = t.redactAll(i) || did
		}
		return did
	}
	if n.text == RedactedText && n.num != 0 {
		return true // by another rule
	}
	digest := sha256.Sum256(t.appendJSON(nil, at))
	n.kind, n.text = kindString, RedactedText
	n.num = int64(binary.BigEndian.Uint64(digest[:8]) | 1)
	return true
}

// isJSON reports whether text begins as a JSON object or list does.
func isJSON(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")
}

// redactCopies hides the annotations that hold the object as it was applied, and all that hold JSON: tools have their own names for it.
func (t *tree) redactCopies(root int32) bool {
	annotations, ok := t.at(root, "metadata", "annotations")
	if !ok {
		return false
	}
	did := false
	for i := t.nodes[annotations].first; i != 0; i = t.nodes[i].next {
		n := &t.nodes[i]
		if slices.Contains(appliedAnnotations, n.key) || isJSON(n.text) {
			did = t.redactAll(i) || did
		}
	}
	return did
}

func (o *Object) redactAllBut(keep ...string) {
	if o.tree.nodes[0].kind != kindMap {
		o.Redacted = o.tree.redactAll(0) || o.Redacted
		return
	}
	for i := o.tree.nodes[0].first; i != 0; i = o.tree.nodes[i].next {
		if !slices.Contains(keep, o.tree.nodes[i].key) {
			o.Redacted = o.tree.redactAll(i) || o.Redacted
		}
	}
}

// looksSecret reports whether a kind or key that is not known is of something that holds credentials.
func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"secret", "token", "credential", "oauth"}, func(word string) bool { return strings.Contains(name, word) })
}

// PrintableKey is a key without the token in it: OpenShift's OAuth tokens were once stored under themselves. It is what
// [Object].Key and errors have.
func PrintableKey(key string) string {
	if n := beforeToken(key); n >= 0 {
		return key[:n] + RedactedText
	}
	return key
}

// AppendPrintableKey appends what [PrintableKey] returns, and allocates nothing for it.
func AppendPrintableKey(dst, key []byte) []byte {
	if n := beforeToken(key); n >= 0 {
		return append(append(dst, key[:n]...), RedactedText...)
	}
	return append(dst, key...)
}

// beforeToken is how many bytes come before the token in a key, -1 if there is none. Newer tokens are stored by their hash.
func beforeToken[T string | []byte](key T) int {
	for _, dir := range [2]string{"/oauth/accesstokens/", "/oauth/authorizetokens/"} {
		if n := behind(key, dir); n >= 0 && !begins(key[n:], "sha256~") {
			return n
		}
	}
	return -1
}

// behind is the place behind the first occurrence of a part, -1 if there is none.
func behind[T string | []byte](text T, part string) int {
	for i := 0; i+len(part) <= len(text); i++ {
		if text[i] == part[0] && begins(text[i:], part) {
			return i + len(part)
		}
	}
	return -1
}

func begins[T string | []byte](text T, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}
