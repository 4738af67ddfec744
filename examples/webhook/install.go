package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	arclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/util/retry"

	"github.com/kubewright/kubewright/admission"
)

// installer keeps the webhook configurations of a cluster in step with this process: all of them once, when it starts to
// serve, and their CA bundle from then on. What people change by hand later stays, so that a failurePolicy set to Ignore
// or a deleted configuration remains the emergency exit that it is.
//
// Several replicas work on the same two objects. An update carries the resource version that it is based on, and is
// made anew when another replica was faster.
type installer struct {
	client    arclient.AdmissionregistrationV1Interface
	name      string              // of both configurations
	manifests admission.Manifests // without CA bundle
	trust     *trust
	// reachable says what an API server that calls the webhook would meet. A configuration that points to nowhere and
	// fails closed would stop all that it matches.
	reachable func(context.Context) error
	failed    func() // counts
	log       *slog.Logger
}

// extent says how much of the configurations is brought up to date.
type extent int

const (
	bundleOnly extent = iota
	everything
)

// How often run looks whether the CA changed here, and whether somebody removed it there.
const (
	lookHere  = time.Second
	lookThere = time.Minute
)

// run installs everything as soon as it can, then follows changes of the CA, until the context ends.
func (i *installer) run(ctx context.Context) {
	if !i.insist(ctx, everything) {
		return
	}
	i.log.InfoContext(ctx, "webhook configurations are installed", "name", i.name)
	for sleep(ctx, lookHere) {
		if i.trust.due() {
			i.insist(ctx, bundleOnly)
		}
	}
}

// insist syncs until it succeeds. It is false if the context ended before.
func (i *installer) insist(ctx context.Context, e extent) bool {
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		err := i.sync(ctx, e)
		if err == nil {
			return true
		}
		i.complain(ctx, err, delay)
		if !sleep(ctx, delay) {
			return false
		}
	}
}

// sleep is false if the context ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (i *installer) complain(ctx context.Context, err error, delay time.Duration) {
	if ctx.Err() == nil { // else we were stopped in the middle of it
		i.failed()
		i.log.ErrorContext(ctx, "webhook configurations are not up to date", "error", err, "retryIn", delay)
	}
}

// announce adds the CA to configurations that exist, before the server listens: a replica that starts with a new CA
// would else be ready before any API server trusts it. When that fails, run tries again.
func (i *installer) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := i.sync(ctx, bundleOnly); err != nil {
		i.failed()
		i.log.WarnContext(ctx, "webhook configurations not reached before the start", "error", err)
	}
}

// sync brings both configurations up to date and notes which CAs they have.
func (i *installer) sync(ctx context.Context, e extent) error {
	if e == everything {
		if err := i.reachable(ctx); err != nil {
			return err
		}
	}
	own := i.trust.noteOwn()
	err := errors.Join(
		ensure(ctx, i, i.client.MutatingWebhookConfigurations(), mutatingKind(i.manifests.Mutating), e, own),
		ensure(ctx, i, i.client.ValidatingWebhookConfigurations(), validatingKind(i.manifests.Validating), e, own),
	)
	if err == nil {
		i.trust.notePublished(own)
	}
	return err
}

// configurations is the client of one of the two kinds of configurations.
type configurations[T any] interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (T, error)
	Create(ctx context.Context, object T, o metav1.CreateOptions) (T, error)
	Update(ctx context.Context, object T, o metav1.UpdateOptions) (T, error)
}

// ensure creates or updates one configuration, and writes nothing if it is as it should be.
func ensure[T metav1.Object](ctx context.Context, i *installer, c configurations[T], k kind[T], e extent, own bundle) error {
	return retry.OnError(retry.DefaultBackoff, anotherWasFaster, func() error {
		have, err := c.Get(ctx, i.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			if e == bundleOnly || !k.wanted {
				return nil
			}
			k.setBundle(k.want, own.pem())
			_, err = c.Create(ctx, k.want, metav1.CreateOptions{})
			return i.wrote(ctx, "created", k.name, err)
		}
		if err != nil {
			return err
		}
		after, ca := k.copy(have), k.bundle(have)
		if e == everything {
			k.replace(after)
		}
		if had := parseBundle(ca); !slices.Equal(i.trust.bundleFor(had, own), had) {
			ca = i.trust.bundleFor(had, own).pem()
		}
		k.setBundle(after, ca)
		if equality.Semantic.DeepEqual(have, after) {
			return nil
		}
		_, err = c.Update(ctx, after, metav1.UpdateOptions{})
		return i.wrote(ctx, "updated", k.name, err)
	})
}

// wrote tells of a change to the cluster, which somebody may wonder about.
func (i *installer) wrote(ctx context.Context, what, kind string, err error) error {
	if err == nil {
		i.log.InfoContext(ctx, "webhook configuration "+what, "kind", kind, "name", i.name)
	}
	return err
}

func anotherWasFaster(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
}
