package policy

import "strings"

// reference is a parsed image reference with Docker Hub's short forms written out: nginx is the path library/nginx of
// the registry docker.io. It follows github.com/distribution/reference, which the kubelet and the runtimes use.
type reference struct {
	registry string // host or host:port, which are the same in upper and lower case
	path     string
	tag      string
	digest   string
}

// parseReference returns false for what the runtimes would refuse to pull.
func parseReference(s string) (reference, bool) {
	name, digest, hasDigest := strings.Cut(s, "@")
	var tag string
	hasTag := false
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag, hasTag = name[:i], name[i+1:], true
	}
	ok := !isImageID(name) && (!hasTag || validTag(tag)) && (!hasDigest || validDigest(digest))
	registry, path := splitRegistry(name)
	ref := reference{registry: registry, path: path, tag: tag, digest: digest}
	const most = 255 // bytes of registry and path together
	return ref, ok && validHost(registry) && validPath(path) && len(ref.registry)+1+len(path) <= most
}

// parseRepository reads the allow-list's entries, which may end at the registry but must name it.
func parseRepository(s string) (reference, bool) {
	host, path, hasPath := strings.Cut(strings.TrimSuffix(s, "/"), "/")
	ok := isRegistry(host) && validHost(host) && (!hasPath || validPath(path))
	return reference{registry: hub(host), path: path}, ok
}

// in reports whether the image is of the repository, or below it.
func (r reference) in(place reference) bool {
	if !strings.EqualFold(r.registry, place.registry) {
		return false
	}
	rest, ok := strings.CutPrefix(r.path, place.path)
	return ok && (place.path == "" || rest == "" || rest[0] == '/')
}

func (r reference) name() string { return r.registry + "/" + r.path }

// splitRegistry separates the registry, which must be told from the first segment of a path on Docker Hub.
func splitRegistry(name string) (registry, path string) {
	host, rest, ok := strings.Cut(name, "/")
	if !ok || !isRegistry(host) {
		host, rest = "docker.io", name
	}
	if host = hub(host); host == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return host, rest
}

// isRegistry reports whether the first segment of a reference is a registry: it has a dot, a port or an upper-case
// letter, none of which a path on Docker Hub can start with, or it is localhost.
func isRegistry(segment string) bool {
	return strings.ContainsAny(segment, ".:") || segment == "localhost" || strings.ToLower(segment) != segment
}

// hub replaces Docker Hub's old name.
func hub(host string) string {
	if host == "index.docker.io" {
		return "docker.io"
	}
	return host
}

// validHost takes a name, an IPv4 address or an IPv6 address in brackets, and a port.
func validHost(s string) bool {
	if ip, rest, isIP := strings.Cut(strings.TrimPrefix(s, "["), "]"); isIP {
		return s[0] == '[' && only(ip, inIPv6) && (rest == "" || rest[0] == ':' && only(rest[1:], isDigit))
	}
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && !only(port, isDigit) {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !only(label, inHost) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func validPath(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if !validSegment(segment) {
			return false
		}
	}
	return true
}

// validSegment wants runs of letters and digits with one dot, one or two underscores, or any number of hyphens between
// them. This also keeps . and .. out, with which a path could leave the place it starts with.
func validSegment(s string) bool {
	for {
		run := span(s, isLowerOrDigit)
		if run == 0 || run == len(s) {
			return run > 0
		}
		s = s[run:]
		separator := s[0]
		n := span(s, func(c byte) bool { return c == separator })
		if separator != '-' && (separator != '_' || n > 2) && (separator != '.' || n > 1) {
			return false
		}
		s = s[n:]
	}
}

func validTag(s string) bool {
	return len(s) <= 128 && only(s, inTag) && s[0] != '.' && s[0] != '-'
}

// validDigest knows the algorithms that the runtimes know.
func validDigest(s string) bool {
	algorithm, hash, _ := strings.Cut(s, ":")
	length := 0
	switch algorithm {
	case "sha256":
		length = 64
	case "sha384":
		length = 96
	case "sha512":
		length = 128
	}
	return len(hash) == length && only(hash, isLowerHex)
}

// isImageID reports whether s is 64 hexadecimal digits, which the runtimes take for the ID of a local image.
func isImageID(s string) bool { return len(s) == 64 && only(s, isLowerHex) }

// only reports whether s is not empty and has no other characters than those in the class.
func only(s string, class func(byte) bool) bool { return s != "" && span(s, class) == len(s) }

// span is the length of the run of characters of the class at the start of s.
func span(s string, class func(byte) bool) int {
	for i := range len(s) {
		if !class(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isUpper(c byte) bool        { return 'A' <= c && c <= 'Z' }
func isLowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) }
func isLowerHex(c byte) bool     { return 'a' <= c && c <= 'f' || isDigit(c) }
func inIPv6(c byte) bool         { return isLowerHex(c) || 'A' <= c && c <= 'F' || c == ':' }
func inHost(c byte) bool         { return isLowerOrDigit(c) || isUpper(c) || c == '-' }
func inTag(c byte) bool          { return inHost(c) || c == '_' || c == '.' }
