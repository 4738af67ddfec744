package ipwhitelist

import "time"

// Mode is how far a caller is on its way from addresses to signatures. Back is always allowed; [Report.Readiness] says
// whether the next step breaks anything.
type Mode string

// The modes, in the order of a migration. In all of them the address is that of a [Rule] that lists the caller.
const (
	// ModeIP admits by address alone. Signatures and API keys are checked and counted, and change nothing.
	ModeIP Mode = "ip"
	// ModeEither admits by signature, by API key or by address.
	ModeEither Mode = "either"
	// ModeReport is ModeEither, and each request that only its address admitted is reported, told that this will end,
	// and refused if it is the canary.
	ModeReport Mode = "report"
	// ModeSignature admits by signature alone; by API key if the caller's AllowAPIKey is set.
	ModeSignature Mode = "signature"
	// ModeBoth asks for the signature and the address.
	ModeBoth Mode = "both"
)

// openness orders modes by what they admit without a signature; 0 is nothing.
func (m Mode) openness() int {
	switch m {
	case ModeIP:
		return 3
	case ModeEither:
		return 2
	case ModeReport:
		return 1
	}
	return 0
}

func (m Mode) valid() bool {
	return m.openness() > 0 || m == ModeSignature || m == ModeBoth
}

// following is the next mode of a migration, "" after the last one.
func (m Mode) following() Mode {
	switch m {
	case ModeIP:
		return ModeEither
	case ModeEither:
		return ModeReport
	case ModeReport:
		return ModeSignature
	}
	return ""
}

// ModeAt returns the mode at a time: Mode, or that of an override.
func (c *Caller) ModeAt(now time.Time) Mode {
	if c.Override.ActiveAt(now) {
		return c.Override.Mode
	}
	return c.Mode
}

// ActiveAt reports whether an override counts at a time; nil never does.
func (o *Override) ActiveAt(now time.Time) bool {
	return o != nil && !now.Before(o.From) && now.Before(o.Until)
}
