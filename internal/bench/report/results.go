package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// results are the measurements by benchmark and unit.
type results struct {
	cpu    string
	values map[string]map[string][]float64
}

func parse(r io.Reader) (*results, error) {
	res := &results{values: map[string]map[string][]float64{}}
	reader := benchfmt.NewReader(r, "benchmarks")
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		res.cpu = result.GetConfig("cpu")
		name := result.Name.String()
		if res.values[name] == nil {
			res.values[name] = map[string][]float64{}
		}
		for _, v := range result.Values {
			value, unit := v.Value, v.Unit
			if v.OrigUnit != "" {
				value, unit = v.OrigValue, v.OrigUnit
			}
			res.values[name][unit] = append(res.values[name][unit], value)
		}
	}
	if len(res.values) == 0 {
		return nil, fmt.Errorf("the output holds no benchmark")
	}
	return res, reader.Err()
}

// least is the smallest of several counts: what other processes do only ever adds to it.
func (r *results) least(name, unit string) (float64, error) {
	values := r.values[name][unit]
	if len(values) == 0 {
		return 0, fmt.Errorf("benchmark %s has no %s", name, unit)
	}
	return slices.Min(values), nil
}

// table compares what ran under "work/by" for each work, ours first.
func (r *results) table(benchmark, ours, theirs string, works ...string) (string, error) {
	var b strings.Builder
	for _, work := range works {
		row := []string{strings.ReplaceAll(work, "-", " ")}
		for _, unit := range []string{"cpu-ns/op", "allocs/op", "B/op"} {
			x, err := r.least(benchmark+"/"+work+"/"+ours, unit)
			if err != nil {
				return "", err
			}
			y, err := r.least(benchmark+"/"+work+"/"+theirs, unit)
			if err != nil {
				return "", err
			}
			row = append(row, fmt.Sprintf("%s / %s", amount(x, unit), amount(y, unit)), fmt.Sprintf("**%.1f**", y/x))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String(), nil
}

// line has one value of each unit.
func (r *results) line(name string, units ...string) (string, error) {
	texts := make([]string, len(units))
	for i, unit := range units {
		v, err := r.least(name, unit)
		if err != nil {
			return "", err
		}
		texts[i] = amount(v, unit)
	}
	return strings.Join(texts, " | "), nil
}

func amount(v float64, unit string) string {
	if strings.HasSuffix(unit, "ns/op") && v < 10_000 {
		return fmt.Sprintf("%.0f ns", v)
	}
	if strings.HasSuffix(unit, "ns/op") {
		if v < 10_000 {
			return fmt.Sprintf("%.2f µs", v/1000)
		}
		return fmt.Sprintf("%.0f µs", v/1000)
	}
	return fmt.Sprintf("%.0f", v)
}
