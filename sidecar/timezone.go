package sidecar

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// TimeZone sets TZ in all containers. That is enough where the image has the time zone database; without it, the C
// library takes UTC and says nothing, so Pods can ask for the database too.
type TimeZone struct {
	// Zones are the names that Pods may use. All that look like one if empty.
	Zones []string `json:"zones,omitempty"`
	// Image has the database, and cp, and may run as any user. Pods can't ask for it if empty.
	Image string `json:"image,omitempty"`
}

const (
	zoneKey  = "timezone"
	zoneName = "timezone"
	zoneDir  = "/usr/share/zoneinfo"
	zoneCopy = "/opt/timezone" // where the init container has the volume, as it needs the image's own database
)

// Name is "timezone".
func (TimeZone) Name() string { return "timezone" }

func (TimeZone) rank() int { return 4 }

func (TimeZone) keys() []Key {
	return []Key{
		{Name: zoneKey, Values: "a name such as `Europe/Berlin`", Doc: "The time zone, as `TZ` in all containers.", parse: parseZone},
		{Name: "timezone.data", Values: boolWords, Doc: "Brings the time zone database along, at `/usr/share/zoneinfo`, for images without.", parse: parseBool},
	}
}

var ianaName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9][A-Za-z0-9_+-]{0,31}){0,3}$`)

func parseZone(text string) (any, error) {
	if !ianaName.MatchString(text) {
		return nil, errors.New("write a name of the IANA database such as Europe/Berlin")
	}
	return text, nil
}

func (z TimeZone) validate() (errs []error) {
	for _, name := range z.Zones {
		if _, err := parseZone(name); err != nil {
			errs = append(errs, errors.New("zones: "+name+": "+err.Error()))
		}
	}
	return errs
}

func (TimeZone) asked(v *values) bool { return v.has(zoneKey) }

func (z TimeZone) inject(e *edit) {
	name := get(e.values, zoneKey, "")
	if len(z.Zones) > 0 && !slices.Contains(z.Zones, name) {
		e.refuse(zoneKey, "the platform does not have that zone; write one of %s", strings.Join(z.Zones, ", "))
		return
	}
	data := get(e.values, "timezone.data", false)
	if data && z.Image == "" {
		e.refuse("timezone.data", "this platform has no copy of the database to bring along; remove the annotation")
		return
	}
	used := false
	for _, c := range e.allContainers() {
		if own := lastEnv(c, "TZ"); own != nil && (own.Value != name || own.ValueFrom != nil) {
			e.warn("timezone: container " + c.Name + " sets TZ itself, which stays")
		}
		e.setEnv(c, corev1.EnvVar{Name: "TZ", Value: name})
		free := (covering(c, zoneDir) == nil || cleanPath(covering(c, zoneDir).MountPath) == "/") && below(c, zoneDir) == nil && !deviceAt(c, zoneDir)
		if data && e.isApp(c.Name) && free {
			e.addMount(c, corev1.VolumeMount{Name: zoneName, MountPath: zoneDir, ReadOnly: true})
			used = true
		}
	}
	if used {
		e.copyIn("timezone.data", copied{name: zoneName, image: z.Image, from: zoneDir + "/.", to: zoneCopy, dir: zoneCopy})
	}
	e.applied(z.Name())
}
