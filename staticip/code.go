package staticip

// Code names the rule that a [Problem] is about. Codes are stable: dashboards and tests may match them. A Code is also
// an error, so that errors.Is(err, [CodeBeyondPool]) finds it anywhere in what this package returns.
type Code string

// Error returns the code itself.
func (c Code) Error() string { return string(c) }

// What can be wrong with the text of a pool.
const (
	CodePoolEmpty      Code = "PoolEmpty"      // no address is listed
	CodeBadList        Code = "BadList"        // starts with "[" but is not a JSON list of strings
	CodeBadAddress     Code = "BadAddress"     // not an address, range or block
	CodeLeadingZero    Code = "LeadingZero"    // 010.0.0.1: octal for some, decimal for others
	CodeZone           Code = "Zone"           // fe80::1%eth0
	CodeMapped         Code = "Mapped"         // ::ffff:10.0.0.1, which CNIs count as IPv4 and Go prints as IPv6
	CodeNotUnicast     Code = "NotUnicast"     // loopback, link-local, multicast, broadcast, unspecified
	CodeBadMask        Code = "BadMask"        // a prefix length that is no number or too long; warning: none, for Multus
	CodeMaskMismatch   Code = "MaskMismatch"   // the ends of a range are in different subnets of its mask
	CodeHostBits       Code = "HostBits"       // 10.0.0.5/24: a block for some tools, one address for others
	CodeShorthand      Code = "Shorthand"      // 10.0.0.10-20
	CodeReversed       Code = "Reversed"       // a range whose end is before its start
	CodeMixedRange     Code = "MixedRange"     // a range from IPv4 to IPv6
	CodeOverlap        Code = "Overlap"        // two items contain the same address
	CodeExcludeUseless Code = "ExcludeUseless" // warning: an exclusion that excludes nothing
	CodeAllExcluded    Code = "AllExcluded"    // nothing is left of a family
	CodeTooBig         Code = "TooBig"         // over 4096 items or 64 KiB
)

// What can be wrong with the annotations of a workload.
const (
	CodeTwoPlaces       Code = "TwoPlaces"       // metadata and template carry different pools
	CodeBadFirstOrdinal Code = "BadFirstOrdinal" // not a number from 0 to 2147483647, or without a pool beside it
	CodeUnknownKey      Code = "UnknownKey"      // a key below the prefix that nobody reads, likely a typing mistake
	CodeTemplateFixed   Code = "TemplateFixed"   // the template carries an address of its own for all replicas
	CodeHostNetwork     Code = "HostNetwork"     // the Pods use the host's network: no CNI is called
)

// Why a Pod has no ordinal that could own an address.
const (
	CodeNotStatefulSet Code = "NotStatefulSet" // owned by a built-in kind other than StatefulSet
	CodeNoOwner        Code = "NoOwner"        // no controller
	CodeForeignOwner   Code = "ForeignOwner"   // owned by a kind that is not allowed in Options.OwnerKinds
	CodeNameMismatch   Code = "NameMismatch"   // the name is not <owner>-<ordinal>
	CodeLabelMismatch  Code = "LabelMismatch"  // the pod-index label contradicts the name
	CodeOwnerUID       Code = "OwnerUID"       // the Pod belongs to another object of the same name
)

// Ordinals and annotations that do not fit together.
const (
	CodeBelowBase     Code = "BelowBase"     // an ordinal before first-ordinal
	CodeBeyondPool    Code = "BeyondPool"    // an ordinal behind the last address
	CodeDualShort     Code = "DualShort"     // one address family ends before the other, or is missing
	CodeAlreadySet    Code = "AlreadySet"    // the Pod already asks for another address
	CodeBadAnnotation Code = "BadAnnotation" // an annotation of the CNI that cannot be read, so nothing can be merged into it
	CodeImmutable     Code = "Immutable"     // the address of a running Pod was edited
)

// Addresses that do not fit the cluster.
const (
	CodeOutsideCNI     Code = "OutsideCNI"     // in no enabled address block of the CNI
	CodeReserved       Code = "Reserved"       // a gateway, a node, the Service CIDR
	CodeConflict       Code = "Conflict"       // claimed by two workloads, or in use by another Pod
	CodeStrictAffinity Code = "StrictAffinity" // warning: Calico binds the address to one node
)

// What an update would do to running Pods.
const (
	CodeMoves           Code = "Moves"           // ordinals get another address
	CodeRolloutDeadlock Code = "RolloutDeadlock" // an ordinal waits for an address that another one still holds
	CodeShrink          Code = "Shrink"          // ordinals lose their address
	CodeGains           Code = "Gains"           // warning: ordinals get an address or a family when they restart
)

// CodeBadOptions is about the caller's own [Options] or [Network], not about an object of the cluster.
const CodeBadOptions Code = "BadOptions"
