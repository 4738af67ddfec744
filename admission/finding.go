package admission

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Action is what a [Finding] does to the request. The empty Action means [Deny].
type Action string

// The actions a finding can take, from strictest to none.
const (
	Deny  Action = "deny"  // refuse the request
	Warn  Action = "warn"  // admit it, and show the finding to the client as a warning
	Audit Action = "audit" // admit it, and record the finding in the API server's audit log
	Off   Action = "off"   // drop the finding
)

// UnmarshalText accepts deny, warn, audit and off, so that an Action read from a configuration file is a valid one. It
// takes false for off, because that is what YAML makes of off without quotes.
func (a *Action) UnmarshalText(text []byte) error {
	switch v := Action(text); v {
	case Deny, Warn, Audit, Off:
		*a = v
		return nil
	case "false":
		*a = Off
		return nil
	}
	return fmt.Errorf("action %q: write one of deny, warn, audit, off", text)
}

// UnmarshalJSON is UnmarshalText for a string, and for the value false; null changes nothing.
func (a *Action) UnmarshalJSON(text []byte) error {
	s := string(text)
	if s == "null" {
		return nil
	}
	if s != "false" && json.Unmarshal(text, &s) != nil {
		return fmt.Errorf("action %.40s: write one of deny, warn, audit, off", text)
	}
	return a.UnmarshalText([]byte(s))
}

// valid reports whether a is a known action or empty.
func (a Action) valid() bool {
	switch a {
	case "", Deny, Warn, Audit, Off:
		return true
	}
	return false
}

// Finding is one thing a validator has to say about an object.
type Finding struct {
	// Rule names the rule that was broken, such as "host-port". Empty means the name under which the validator
	// was registered. [Options.Actions] selects by it, and it is the key of the audit annotation.
	Rule string
	// Field is the path of the offending field. List elements are named by their merge key where they have one:
	// spec.containers[app].ports[0].hostPort. Empty means the object as a whole.
	Field string
	// Message says what is wrong, with the value, and what to write instead.
	Message string
	// Action is what the validator proposes; [Options.Actions] overrides it.
	Action Action
	// Err says that the validator could not judge, because what it had to look up did not answer, say. The review then
	// ends with this internal error, whatever else was found.
	Err error
}

// String is "field: message (rule)".
func (f Finding) String() string {
	s := f.Message
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Rule != "" {
		s += " (" + f.Rule + ")"
	}
	return s
}

// DenyError is a mutator's refusal: the request is denied with its findings. Any other error of a mutator is an
// internal one. Make it with [Refuse].
type DenyError struct {
	Findings []Finding
}

// Error joins the findings.
func (e *DenyError) Error() string {
	texts := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		texts[i] = f.String()
	}
	return "refused: " + strings.Join(texts, "; ")
}

// Refuse returns the error with which a mutator refuses an object it cannot change as it should. The findings' rules
// and actions count as a validator's do: a finding configured to warn does not deny, and the object continues as
// the mutator left it.
func Refuse(findings ...Finding) error {
	return &DenyError{Findings: findings}
}
