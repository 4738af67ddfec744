package sidecar

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Output is where Filebeat sends to: exactly one of the fields is set.
//
// Passwords come from a Secret in the Pod's namespace and may have any character but ': Filebeat parses the values of
// variables, knows no escape within '…', and would end with an error that shows the value.
type Output struct {
	Kafka         *Kafka         `json:"kafka,omitempty"`
	Logstash      *Logstash      `json:"logstash,omitempty"`
	Elasticsearch *Elasticsearch `json:"elasticsearch,omitempty"`
}

// Kafka sends each stream to its topic.
type Kafka struct {
	Hosts []string `json:"hosts"`           // host:port
	Topic string   `json:"topic,omitempty"` // of streams that name none; without it they have to
	// Version of the protocol, as Filebeat knows it. "2.1.0" if empty, which Kafka 4 still speaks.
	Version     string                    `json:"version,omitempty"`
	Compression string                    `json:"compression,omitempty"` // none, snappy, lz4 or gzip; lz4 if empty
	Acks        *int                      `json:"acks,omitempty"`        // 1, or -1 for all in-sync replicas; 1 if nil
	Mechanism   string                    `json:"mechanism,omitempty"`   // of SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; PLAIN if empty
	Username    string                    `json:"username,omitempty"`
	Password    *corev1.SecretKeySelector `json:"password,omitempty"`
	TLS         *TLS                      `json:"tls,omitempty"`
}

// Logstash sends everything, with topic and index among the fields.
type Logstash struct {
	Hosts []string `json:"hosts"` // host:port
	TLS   *TLS     `json:"tls,omitempty"`
}

// Elasticsearch writes each stream to an index a day: <index>-2006.01.02.
type Elasticsearch struct {
	Hosts    []string                  `json:"hosts"`           // URLs
	Index    string                    `json:"index,omitempty"` // of streams that name none; without it they have to
	Username string                    `json:"username,omitempty"`
	Password *corev1.SecretKeySelector `json:"password,omitempty"`
	TLS      *TLS                      `json:"tls,omitempty"`
}

// TLS verifies the server, whose name is the host's.
type TLS struct {
	CA string `json:"ca,omitempty"` // certificates, PEM; those of the image if empty
}

const passwordEnv = "SHIPPER_PASSWORD"

var (
	kafkaVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+(\.[0-9]+){0,2}$`)
	codecs       = []string{"none", "snappy", "lz4", "gzip"}           //nolint:gochecknoglobals // a constant
	mechanisms   = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} //nolint:gochecknoglobals // a constant
)

func (o Output) validate() (errs []error) {
	chosen := 0
	if k := o.Kafka; k != nil {
		chosen++
		errs = append(errs, k.validate()...)
	}
	if l := o.Logstash; l != nil {
		chosen++
		errs = append(errs, checkHosts(l.Hosts)...)
		errs = append(errs, l.TLS.validate()...)
	}
	if s := o.Elasticsearch; s != nil {
		chosen++
		errs = append(errs, s.validate()...)
	}
	if chosen != 1 {
		errs = append(errs, fmt.Errorf("there are %d outputs: write one of kafka, logstash and elasticsearch", chosen))
	}
	for i, err := range errs {
		errs[i] = fmt.Errorf("output: %w", err)
	}
	return errs
}

func (k *Kafka) validate() []error {
	errs := append(checkHosts(k.Hosts), k.TLS.validate()...)
	if k.Topic != "" {
		if _, err := parseTopic(k.Topic); err != nil {
			errs = append(errs, fmt.Errorf("topic %q: %w", k.Topic, err))
		}
	}
	if k.Version != "" && !kafkaVersion.MatchString(k.Version) {
		errs = append(errs, fmt.Errorf("version %q: write one such as 2.1.0", k.Version))
	}
	if k.Compression != "" && !slices.Contains(codecs, k.Compression) {
		errs = append(errs, fmt.Errorf("compression %q: write none, snappy, lz4 or gzip", k.Compression))
	}
	if k.Acks != nil && *k.Acks != 1 && *k.Acks != -1 {
		errs = append(errs, fmt.Errorf("acks %d: write 1 or -1; without acknowledgement, logs get lost", *k.Acks))
	}
	if k.Mechanism != "" && (!slices.Contains(mechanisms, k.Mechanism) || k.Username == "") {
		errs = append(errs, fmt.Errorf("mechanism %q: write %s, and a username", k.Mechanism, strings.Join(mechanisms, ", ")))
	}
	return append(errs, checkCredentials(k.Username, k.Password)...)
}

func (s *Elasticsearch) validate() []error {
	errs := s.TLS.validate()
	for _, h := range s.Hosts {
		if u, err := url.Parse(h); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || printable(h) != nil {
			errs = append(errs, fmt.Errorf("host %q: write a URL such as https://es.example.com:9200, credentials apart", shorten(h)))
		}
	}
	if len(s.Hosts) == 0 {
		errs = append(errs, errors.New("hosts are missing"))
	}
	if s.Index != "" {
		if _, err := parseIndex(s.Index); err != nil {
			errs = append(errs, fmt.Errorf("index %q: %w", s.Index, err))
		}
	}
	return append(errs, checkCredentials(s.Username, s.Password)...)
}

func checkHosts(hosts []string) (errs []error) {
	if len(hosts) == 0 {
		errs = append(errs, errors.New("hosts are missing"))
	}
	for _, h := range hosts {
		if host, port, err := net.SplitHostPort(h); err != nil || host == "" || port == "" || printable(h) != nil {
			errs = append(errs, fmt.Errorf("host %q: write host:port", shorten(h)))
		}
	}
	return errs
}

func checkCredentials(username string, password *corev1.SecretKeySelector) (errs []error) {
	if (username == "") != (password == nil) {
		errs = append(errs, errors.New("username and password need each other"))
	}
	if printable(username) != nil {
		errs = append(errs, errors.New("username has characters that can't be seen"))
	}
	if password != nil && (password.Name == "" || password.Key == "") {
		errs = append(errs, errors.New("password: write the name and the key of a Secret"))
	}
	return errs
}

func (t *TLS) validate() []error {
	if t == nil || t.CA == "" {
		return nil
	}
	rest := []byte(t.CA)
	for n := 0; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if n == 0 {
				return []error{errors.New("tls.ca: there is no PEM block")}
			}
			return nil
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return []error{fmt.Errorf("tls.ca: %w", err)}
		}
	}
}

// env is where the password comes from.
func (o Output) env() []corev1.EnvVar {
	var password *corev1.SecretKeySelector
	switch {
	case o.Kafka != nil:
		password = o.Kafka.Password
	case o.Elasticsearch != nil:
		password = o.Elasticsearch.Password
	}
	if password == nil {
		return nil
	}
	return []corev1.EnvVar{{Name: passwordEnv, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: password.DeepCopy()}}}
}

// defaults are the topic and index of streams that name none, and which of the two the output cannot do without.
func (o Output) defaults() (topic, index, required string) {
	switch {
	case o.Kafka != nil:
		return o.Kafka.Topic, "", "topic"
	case o.Elasticsearch != nil:
		return "", o.Elasticsearch.Index, "index"
	}
	return "", "", ""
}
