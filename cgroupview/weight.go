package cgroupview

import "math"

// WeightFromShares converts cpu.shares of v1, what container runtimes are given, into cpu.weight of v2: by the linear
// formula, in which 1024 shares, a request of one CPU, are weight 39, and by the quadratic one that runc 1.3.2 and crun
// 1.23 came with, and the kubelet of Kubernetes 1.35 for the cgroups of Pods (KEP-2254), in which they are 100. Nothing on
// a node records which one its runtime uses.
func WeightFromShares(shares uint64) (linear, quadratic uint64) {
	return weightLinear(shares), weightQuadratic(shares)
}

func weightQuadratic(shares uint64) uint64 {
	switch {
	case shares == 0:
		return 0
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

func weightLinear(shares uint64) uint64 {
	if shares == 0 {
		return 0
	}
	return 1 + (min(max(shares, 2), 262144)-2)*9999/262142
}

// SharesFromWeight returns the shares that each formula would have turned into a weight. The answers differ by a factor
// of up to 5: weight 100 is one CPU (quadratic), two and a half (linear), or the kernel's default and no request at
// all. Where several shares have one weight, it is the middle one, in terms of ratios.
func SharesFromWeight(weight uint64) (linear, quadratic uint64) {
	return sharesBy(weightLinear, weight), sharesBy(weightQuadratic, weight)
}

// sharesBy inverts a function that never falls.
func sharesBy(f func(uint64) uint64, weight uint64) uint64 {
	if weight == 0 {
		return 0
	}
	first := lowest(f, weight)
	last := max(first, lowest(f, weight+1)-1)
	return uint64(math.Round(math.Sqrt(float64(first) * float64(last))))
}

// lowest is the first number of shares with at least a weight.
func lowest(f func(uint64) uint64, weight uint64) uint64 {
	lo, hi := uint64(2), uint64(262145)
	for lo < hi {
		if mid := (lo + hi) / 2; f(mid) >= weight {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
