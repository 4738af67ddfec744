package readme

import (
	"regexp"
	"strings"
)

// command is what a reader would type.
type command struct {
	file string
	text string
}

// first is what a line of an indented block begins with if it is a command and not YAML or output.
var first = regexp.MustCompile(`^(go|curl|kubectl|docker|etcdctl|echo|cat|bin/\S+|promtool|helm) `)

// commands finds the commands of a Markdown text: the lines of "sh" blocks, those after "$ " in "console" blocks, and the
// lines of indented blocks that begin with a program. A line that ends in a backslash goes on in the next.
func commands(file, markdown string) []command {
	var found []command
	var block, text string
	for line := range strings.Lines(markdown) {
		line = strings.TrimSuffix(line, "\n")
		if fence, ok := strings.CutPrefix(line, "```"); ok {
			block = fence
			continue
		}
		if text != "" {
			text += "\n" + strings.TrimSpace(line)
		} else {
			text = commandIn(block, line)
		}
		if text != "" && !strings.HasSuffix(text, `\`) {
			found = append(found, command{file, text})
			text = ""
		}
	}
	return found
}

func commandIn(block, line string) string {
	switch block {
	case "sh", "bash":
		if !strings.HasPrefix(line, "#") {
			return strings.TrimSpace(line)
		}
	case "console":
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			return text
		}
	case "":
		if text, ok := strings.CutPrefix(line, "    "); ok && first.MatchString(text) {
			return strings.TrimSpace(text)
		}
	}
	return ""
}
