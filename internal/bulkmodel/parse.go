package bulkmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// operation is one action with its document.
type operation struct {
	op, index, id string
	hasID         bool
	version       int64
	external      bool
	source        []byte
}

// parse splits a body. What spoils the whole request is returned as the type and reason of the error.
func parse(body []byte, index string) (operations []operation, kind, reason string) {
	const illegal = "illegal_argument_exception"
	if len(body) == 0 {
		return nil, "parse_exception", "request body is required"
	}
	if body[len(body)-1] != '\n' {
		return nil, illegal, `The bulk request must be terminated by a newline [\n]`
	}
	lines := bytes.Split(body[:len(body)-1], []byte("\n"))
	for at := 0; at < len(lines); at++ {
		if len(bytes.TrimSpace(lines[at])) == 0 {
			continue
		}
		o, problem := action(lines[at], at+1)
		if problem != "" {
			return nil, illegal, problem
		}
		if o.op != "delete" {
			at++
			if at == len(lines) {
				return nil, illegal, `The bulk request must be terminated by a newline [\n]`
			}
			o.source = lines[at]
		}
		if o.index == "" {
			o.index = index
		}
		operations = append(operations, o)
	}
	return operations, validationKind(operations), validate(operations)
}

// action reads an action line: one object with one operation and its parameters, each of which must be known.
func action(line []byte, number int) (o operation, problem string) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	token, err := decoder.Token()
	if err != nil || token != json.Delim('{') {
		return o, fmt.Sprintf("Malformed action/metadata line [%d], expected START_OBJECT but found [%s]", number, tokenName(token))
	}
	var whole map[string]map[string]any
	decoder = json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&whole); err != nil || len(whole) != 1 {
		return o, fmt.Sprintf("Malformed action/metadata line [%d], expected FIELD_NAME but found [END_OBJECT]", number)
	}
	for op, values := range whole {
		o.op = op
		switch op {
		case "create", "index", "delete":
		default:
			return o, fmt.Sprintf("Malformed action/metadata line [%d], expected one of [create, delete, index, update] but found [%s]", number, op)
		}
		for name, value := range values {
			if problem := o.set(name, value, number); problem != "" {
				return o, problem
			}
		}
	}
	return o, ""
}

func (o *operation) set(name string, value any, line int) (problem string) {
	text := fmt.Sprint(value)
	switch name {
	case "_index":
		o.index = text
	case "_id":
		o.id, o.hasID = text, true
	case "version":
		number, ok := value.(json.Number)
		if !ok {
			return "Failed to parse long parameter [version] with value [" + text + "]"
		}
		v, err := number.Int64()
		if err != nil {
			return err.Error()
		}
		o.version = v
	case "version_type":
		if text != "external" && text != "internal" {
			return "No version type match [" + text + "]"
		}
		o.external = text == "external"
	case "routing", "pipeline", "require_alias", "require_data_stream", "dynamic_templates":
	default:
		return fmt.Sprintf("Action/metadata line [%d] contains an unknown parameter [%s]", line, name)
	}
	return ""
}

func tokenName(token json.Token) string {
	switch token.(type) {
	case string:
		return "VALUE_STRING"
	case float64, json.Number:
		return "VALUE_NUMBER"
	case json.Delim:
		return "START_ARRAY"
	}
	return "null"
}

const validation = "action_request_validation_exception"

func validationKind(operations []operation) string {
	if validate(operations) == "" {
		return ""
	}
	return validation
}

// maxID is the longest _id, in bytes.
const maxID = 512

// validate finds what spoils the whole request although each line can be read.
func validate(operations []operation) string {
	var problems []string
	add := func(text string) { problems = append(problems, fmt.Sprintf(" %d: %s;", len(problems)+1, text)) }
	for _, o := range operations {
		if o.index == "" {
			add("index is missing")
		}
		if len(o.id) > maxID {
			add(fmt.Sprintf("id [%s] is too long, must be no longer than %d bytes but was: %d", o.id, maxID, len(o.id)))
		}
		if o.op == "create" && (o.external || o.version != 0) {
			add("create operations only support internal versioning. use index instead")
		}
	}
	if len(problems) == 0 {
		return ""
	}
	return "Validation Failed:" + strings.Join(problems, "")
}
