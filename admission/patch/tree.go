package patch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// tree is a JSON document of which only the containers on the paths of a patch are ever taken apart. It is stricter than
// RFC 6902 and than the API server's library where those are lenient: no negative or padded indexes, no "-", removal
// and replacement only of what is there.
type tree struct {
	value rawjson.Value // before it is opened
	*level
}

// level is a container that was opened.
type level struct {
	list    bool
	members []treeMember
	byName  map[string]int // of the members, where there are many
	items   []tree
}

type treeMember struct {
	name  []byte
	value tree
	gone  bool
}

// manyMembers is from when on a map is worth its while.
const manyMembers = 32

// open takes one level of a container apart.
func (t *tree) open() error {
	if t.level != nil {
		return nil
	}
	switch t.value.Kind() {
	case '{':
		t.level = &level{}
		t.members = make([]treeMember, 0, t.value.Len()+1) // a patch rarely adds more than one
		for name, value := range t.value.Members() {
			t.members = append(t.members, treeMember{name: name, value: tree{value: value}})
		}
		t.indexMembers()
	case '[':
		t.level = &level{list: true}
		t.items = make([]tree, 0, t.value.Len()+1)
		for value := range t.value.Elements() {
			t.items = append(t.items, tree{value: value})
		}
	default:
		return errors.New("the path goes through a value that is no object or array")
	}
	return nil
}

// find returns the index of a member, or -1. A member that is there twice has no one meaning.
func (t *level) find(name string) (int, error) {
	if t.byName != nil {
		i, ok := t.byName[name]
		switch {
		case !ok || i >= 0 && t.members[i].gone:
			return -1, nil
		case i < 0:
			return 0, fmt.Errorf("the document has two members %q", name)
		}
		return i, nil
	}
	found := -1
	for i := range t.members {
		if t.members[i].gone || string(t.members[i].name) != name {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("the document has two members %q", name)
		}
		found = i
	}
	return found, nil
}

// indexMembers makes the map of a large object, in which -1 stands for a name that is there twice.
func (t *level) indexMembers() {
	if len(t.members) < manyMembers {
		return
	}
	t.byName = make(map[string]int, len(t.members))
	for i := range t.members {
		name := string(t.members[i].name)
		if _, twice := t.byName[name]; twice {
			i = -1
		}
		t.byName[name] = i
	}
}

// existing is find for a member that must be there.
func (t *level) existing(name string) (int, error) {
	i, err := t.find(name)
	if err == nil && i < 0 {
		err = fmt.Errorf("the document has no member %q", name)
	}
	return i, err
}

// parent opens the containers on the way to the last token of the path and returns the innermost.
func (t *tree) parent(path []string) (*level, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	for _, token := range path[:len(path)-1] {
		if t.list {
			i, err := index(token, len(t.items)-1)
			if err != nil {
				return nil, err
			}
			t = &t.items[i]
		} else {
			i, err := t.existing(token)
			if err != nil {
				return nil, err
			}
			t = &t.members[i].value
		}
		if err := t.open(); err != nil {
			return nil, err
		}
	}
	return t.level, nil
}

// at returns the value at the path. It is one that is not there where the path leads nowhere, or to a container that was
// opened.
func (t *tree) at(path []string) rawjson.Value {
	if len(path) == 0 {
		return t.value
	}
	level, err := t.parent(path)
	if err != nil {
		return rawjson.Value{}
	}
	last := path[len(path)-1]
	if level.list {
		if i, err := index(last, len(level.items)-1); err == nil && level.items[i].level == nil {
			return level.items[i].value
		}
	} else if i, err := level.existing(last); err == nil && level.members[i].value.level == nil {
		return level.members[i].value.value
	}
	return rawjson.Value{}
}

// put adds or replaces the value at the path.
func (t *tree) put(op string, path []string, value tree) error {
	if len(path) == 0 {
		return errors.New("the whole document is no target")
	}
	at, err := t.parent(path)
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	switch {
	case at.list && op == Add:
		i, err := index(last, len(at.items))
		if err != nil {
			return err
		}
		at.items = slices.Insert(at.items, i, value)
	case at.list:
		i, err := index(last, len(at.items)-1)
		if err != nil {
			return err
		}
		at.items[i] = value
	default:
		i, err := at.find(last)
		if err != nil {
			return err
		}
		if i < 0 && op == Replace {
			return fmt.Errorf("the document has no member %q to replace", last)
		}
		if i < 0 {
			at.members = append(at.members, treeMember{name: []byte(last), value: value})
			if at.byName != nil {
				at.byName[last] = len(at.members) - 1
			}
		} else {
			at.members[i].value = value
		}
	}
	return nil
}

// take removes the value at the path and returns it.
func (t *tree) take(path []string) (tree, error) {
	if len(path) == 0 {
		return tree{}, errors.New("the whole document is no target")
	}
	at, err := t.parent(path)
	if err != nil {
		return tree{}, err
	}
	last := path[len(path)-1]
	if at.list {
		i, err := index(last, len(at.items)-1)
		if err != nil {
			return tree{}, err
		}
		taken := at.items[i]
		at.items = slices.Delete(at.items, i, i+1)
		return taken, nil
	}
	i, err := at.existing(last)
	if err != nil {
		return tree{}, err
	}
	at.members[i].gone = true
	return at.members[i].value, nil
}

// index parses the token of an array element, which may be at most last.
func index(token string, last int) (int, error) {
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || strconv.Itoa(i) != token {
		return 0, fmt.Errorf("%q is not an array index", token)
	}
	if i > last {
		return 0, fmt.Errorf("index %d is out of range, the last is %d", i, last)
	}
	return i, nil
}
