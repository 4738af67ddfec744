package sidecar

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// FakeTime gives containers another time with libfaketime. Programs that are linked statically, and those of Go, keep
// the true one. A start, and a speed, count from the first process of a container, of which the others learn by
// /dev/shm: what is started while a killed container's files are still there starts over.
type FakeTime struct{ Library }

const (
	faketimeKey  = "faketime"
	faketimeName = "faketime"
	faketimeDir  = "/opt/faketime"
	faketimeFile = faketimeDir + "/libfaketime.so"
)

// Name is "faketime".
func (FakeTime) Name() string { return "faketime" }

func (FakeTime) rank() int { return 2 }

func (FakeTime) keys() []Key {
	return []Key{
		{Name: faketimeKey, Values: "an offset such as `+15d`, a start such as `@2030-01-01 00:00:00`, each with a speed such as ` x2` or not, or a time that stands still", Doc: "The time that the containers see.", parse: parseFakeTime},
		{Name: "faketime.libc", Values: "`glibc` or `musl`", Doc: "The C library of the images. Required: with the wrong one, programs do not start.", parse: oneOf(libcs()...)},
		{Name: "faketime.containers", Values: "names of containers", Doc: "Which containers. They can't be init containers. All others without it.", parse: parseContainers},
		{Name: "faketime.java", Values: boolWords, Doc: "The containers run Java, whose waiting hangs on a faked monotonic clock.", parse: parseBool},
		{Name: "faketime.frozen", Values: boolWords, Doc: "Allows a time that stands still, in which no timeout ever ends.", parse: parseBool},
	}
}

func (f FakeTime) asked(v *values) bool { return v.has(faketimeKey) }

// fakeTime is a value of FAKETIME.
type fakeTime struct {
	text    string
	frozen  bool
	scaled  bool
	running bool // counts from when the container's first process has started
}

var fakeOffset = regexp.MustCompile(`^[+-][0-9]{1,9}(\.[0-9]{1,9})?[smhdy]?$`)

// parseFakeTime reads the grammar of libfaketime's README, section 4, without what comes from files (%).
func parseFakeTime(text string) (any, error) {
	wrong := errors.New("write an offset such as +15d or -1.5h, a start such as @2030-01-01 00:00:00, or a time that stands still such as 2030-01-01 00:00:00; a speed such as x2 may follow the first two")
	at, speed, scaled := strings.Cut(text, " x")
	if scaled {
		rate, err := strconv.ParseFloat(speed, 64)
		if err != nil || rate <= 0 || rate > 1e6 || strings.ContainsAny(speed, "eExXpP_+iInN") {
			return nil, errors.New("the speed behind x is no number above 0 and up to 1000000")
		}
	}
	if fakeOffset.MatchString(at) {
		return fakeTime{text: text, scaled: scaled, running: scaled}, nil
	}
	date, start := strings.CutPrefix(at, "@")
	when, err := time.Parse(time.DateTime, date)
	if err != nil || scaled && !start || when.Format(time.DateTime) != date {
		return nil, wrong
	}
	return fakeTime{text: text, frozen: !start, scaled: scaled, running: start}, nil
}

func (f FakeTime) inject(e *edit) {
	want := get(e.values, faketimeKey, fakeTime{})
	if want.frozen && !get(e.values, "faketime.frozen", false) {
		e.refuse(faketimeKey, "the clock would stand still; write @ before the time to have it run from there, or add %s/faketime.frozen=true", e.prefix)
		return
	}
	libc := get(e.values, "faketime.libc", "")
	file, ok := f.Paths[libc]
	if !ok {
		e.refuse(faketimeKey, "it needs %s/faketime.libc to be one of %s", e.prefix, strings.Join(sortedKeys(f.Paths), ", "))
		return
	}
	chosen := e.knownContainers("faketime.containers")
	for _, name := range chosen {
		if e.container(name) != nil && !e.isApp(name) {
			e.refuse("faketime.containers", "%s is an init container, which runs before the library is there; leave it out", name)
		}
	}
	done := false
	for _, c := range e.allContainers() {
		if slices.Contains(chosen, c.Name) || len(chosen) == 0 && e.isApp(c.Name) {
			f.fake(e, c, want)
			done = true
		}
	}
	if !done {
		e.skip(f.Name(), ReasonNoTarget, "there is no such container")
		return
	}
	e.copyIn(faketimeKey, copied{name: faketimeName, image: f.Image, from: file, to: faketimeFile, dir: faketimeDir})
	e.applied(f.Name())
}

func (f FakeTime) fake(e *edit, c *corev1.Container, want fakeTime) {
	e.preloadIn(faketimeKey, c, faketimeName, faketimeDir, faketimeFile)
	if own := lastEnv(c, "FAKETIME"); own != nil {
		e.warn("faketime: container " + c.Name + " sets FAKETIME itself, which stays")
	}
	env := []corev1.EnvVar{{Name: "FAKETIME", Value: want.text}}
	if want.running { // children go on, and do not start over: they learn of the start by shared memory
		env = append(env, corev1.EnvVar{Name: "FAKETIME_DONT_RESET", Value: "1"})
	} else { // one process needs nothing of another, and files that a killed one has left could be in the way
		env = append(env, corev1.EnvVar{Name: "FAKETIME_DISABLE_SHM", Value: "1"})
	}
	if get(e.values, "faketime.java", false) {
		env = append(env, javaClock(want.scaled)...)
	}
	for _, v := range env {
		e.setEnv(c, v)
	}
}

// javaClock keeps the timed waits of a JVM right. They are on the monotonic clock, which is left alone, and then
// libfaketime up to 0.9.10 must not correct them: what it does by itself for glibc from 2.30 on has them end at once, so
// that the JVM spins. With a speed, waits have to be as fast as the clock, which takes both.
func javaClock(scaled bool) []corev1.EnvVar {
	if scaled {
		return []corev1.EnvVar{{Name: "FAKETIME_FORCE_MONOTONIC_FIX", Value: "1"}}
	}
	return []corev1.EnvVar{{Name: "FAKETIME_DONT_FAKE_MONOTONIC", Value: "1"}, {Name: "FAKETIME_FORCE_MONOTONIC_FIX", Value: "0"}}
}
