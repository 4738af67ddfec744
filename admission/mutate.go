package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kubewright/kubewright/admission/patch"
)

// mutate runs the mutators and proves their patch. When a mutator that may fail open fails, all others run again from
// the start: they are pure, and failing is rare.
func (k *Kind[T]) mutate(ctx context.Context, c *call, object decoded[T], deleting bool) (*T, result, error) {
	var chain []*mutator[T]
	for i := range k.mutators {
		if m := &k.mutators[i]; k.matches(&m.rule, c.req, deleting) {
			chain = append(chain, m)
		}
	}
	if len(chain) == 0 {
		return object.value, result{}, nil
	}
	var dropped []error
	for {
		after, res, failed, err := k.attempt(ctx, c, object, chain)
		if err == nil {
			res.dropped = dropped
			return after, res, nil
		}
		if failed < 0 || !chain[failed].failOpen || ctx.Err() != nil {
			return nil, result{}, err
		}
		dropped = append(dropped, err)
		chain = slices.Delete(slices.Clone(chain), failed, failed+1)
	}
}

// attempt runs a chain of mutators on a copy of the object. On an error it tells which of them is at fault, or -1.
func (k *Kind[T]) attempt(ctx context.Context, c *call, object decoded[T], chain []*mutator[T]) (*T, result, int, error) {
	after := new(T)
	k.deepCopy(object.value, after)
	var res result
	for i, m := range chain {
		findings, err := k.runMutator(ctx, c, m, after)
		if err != nil {
			return nil, result{}, i, err
		}
		res.findings = append(res.findings, findings...)
	}
	var err error
	if res.patch, err = k.provenPatch(object, after, c.full); err != nil {
		i, err := k.blame(ctx, c, object, chain, err)
		return nil, result{}, i, err
	}
	return after, res, -1, nil
}

func (k *Kind[T]) runMutator(ctx context.Context, c *call, m *mutator[T], obj *T) ([]Finding, error) {
	err := c.guard(ctx, "mutator", m.name, func() error { return m.fn(ctx, c.req, obj) })
	if err == nil {
		return nil, nil
	}
	if refused, ok := errors.AsType[*DenyError](err); ok && failure(refused.Findings) == nil {
		if len(refused.Findings) == 0 {
			refused = &DenyError{[]Finding{{Message: "refused without a reason"}}}
		}
		return named(m.name, refused.Findings), nil
	}
	return nil, err
}

// provenPatch is the patch to a value, and the proof that it is one.
func (k *Kind[T]) provenPatch(object decoded[T], after *T, full bool) (patch.Patch, error) {
	p, err := k.differ.Diff(object.doc, object.value, after)
	if err != nil || len(p) == 0 {
		return nil, err
	}
	if !full && k.differ.Check(object.doc, p) == nil {
		return p, nil
	}
	if err := k.differ.Verify(object.doc, p, after); err != nil {
		return nil, err
	}
	return p, nil
}

// blame finds the first mutator of a chain whose work can't be put into a patch.
func (k *Kind[T]) blame(ctx context.Context, c *call, object decoded[T], chain []*mutator[T], cause error) (int, error) {
	after := new(T)
	k.deepCopy(object.value, after)
	for i, m := range chain {
		if _, err := k.runMutator(ctx, c, m, after); err != nil {
			return i, err
		}
		if _, err := k.provenPatch(object, after, true); err != nil {
			return i, fmt.Errorf("mutator %q makes no valid patch: %w", m.name, err)
		}
	}
	return -1, fmt.Errorf("the mutators together make no valid patch: %w", cause)
}
