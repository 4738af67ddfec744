package admission

import (
	"context"
	"reflect"
	"slices"
)

func (k *Kind[T]) validate(ctx context.Context, c *call, obj, old *T, deleting bool, res *result) error {
	for i := range k.validators {
		v := &k.validators[i]
		if !k.matches(&v.rule, c.req, deleting) {
			continue
		}
		var findings []Finding
		err := c.guard(ctx, "validator", v.name, func() error {
			if c.full {
				defer k.mustNotChange(obj, old)()
			}
			findings = v.fn(ctx, c.req, obj, old)
			return failure(findings)
		})
		switch {
		case err == nil:
			res.findings = append(res.findings, named(v.name, findings)...)
		case v.failOpen && ctx.Err() == nil:
			res.dropped = append(res.dropped, err)
		default:
			return err
		}
	}
	return nil
}

// failure is what kept a validator from judging.
func failure(findings []Finding) error {
	for _, f := range findings {
		if f.Err != nil {
			return f.Err
		}
	}
	return nil
}

// mustNotChange returns a function that panics if the objects have changed since. Only tests can afford it.
func (k *Kind[T]) mustNotChange(objects ...*T) func() {
	copies := make([]*T, len(objects))
	for i, obj := range objects {
		if obj != nil {
			copies[i] = new(T)
			k.deepCopy(obj, copies[i])
		}
	}
	return func() {
		for i, obj := range objects {
			if obj != nil && !reflect.DeepEqual(obj, copies[i]) {
				panic("it changed the object, which validators must not")
			}
		}
	}
}

// named fills in the rules that findings leave empty, in a copy: a function may return the same slice each time.
func named(rule string, findings []Finding) []Finding {
	findings = slices.Clone(findings)
	for i := range findings {
		if findings[i].Rule == "" {
			findings[i].Rule = rule
		}
	}
	return findings
}
