package sidecar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const boolWords = "`true` or `false`"

func parseBool(text string) (any, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, errors.New("write true or false")
}

// maxItems bounds lists, so that what is done with them takes no time to speak of, whoever writes them.
const maxItems = 128

// parseList reads items between commas and line ends. None may be empty or come twice.
func parseList(text string) ([]string, error) {
	var items []string
	for _, item := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		item = strings.TrimSpace(item)
		switch {
		case item == "":
			continue // the end of a line, or blanks around it
		case slices.Contains(items, item):
			return nil, fmt.Errorf("%q is there twice", shorten(item))
		case len(items) == maxItems:
			return nil, fmt.Errorf("there are more than %d items", maxItems)
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil, errors.New("the list is empty; write an item, or remove the annotation")
	}
	return items, nil
}

// oneOf parses a word of a list.
func oneOf(words ...string) func(string) (any, error) {
	return func(text string) (any, error) {
		if !slices.Contains(words, text) {
			return nil, errors.New("write one of " + strings.Join(words, ", "))
		}
		return text, nil
	}
}

// someOf parses a list of words of a list.
func someOf(words ...string) func(string) (any, error) {
	return func(text string) (any, error) {
		items, err := parseList(text)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if !slices.Contains(words, item) {
				return nil, fmt.Errorf("%q is none of %s", shorten(item), strings.Join(words, ", "))
			}
		}
		return items, nil
	}
}

// parseContainers parses a list of names of containers.
func parseContainers(text string) (any, error) { return anyOf(parseList(text)) }

func anyOf[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}
