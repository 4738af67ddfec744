package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/kubewright/kubewright/admission"
)

// reviewLog logs reviews: those with something to tell at info, the many others at debug.
func reviewLog(log *slog.Logger) func(context.Context, admission.Observation) {
	return func(ctx context.Context, o admission.Observation) {
		level := slog.LevelDebug
		if worthTelling(o) {
			level = slog.LevelInfo
		}
		if !log.Enabled(ctx, level) {
			return
		}
		args := []any{"outcome", o.Outcome, "phase", o.Phase}
		if r := o.Request; r != nil {
			args = append(args, "operation", r.Operation, "kind", r.Kind.Kind, "namespace", r.Namespace, "name", r.Name,
				"subresource", r.SubResource, "user", r.UserInfo.Username, "uid", r.UID)
		}
		if len(o.Findings) > 0 {
			args = append(args, "findings", findingTexts(o.Findings))
		}
		if o.Patch > 0 {
			args = append(args, "patchBytes", o.Patch)
		}
		if o.Err != nil {
			args = append(args, "error", o.Err)
		}
		log.Log(ctx, level, "review", append(args, "duration", o.Duration)...)
	}
}

// worthTelling leaves out errors of reviews: the handler has logged them, with the stack of a panic.
func worthTelling(o admission.Observation) bool {
	if o.Outcome == admission.OutcomeError {
		return o.Request == nil
	}
	return slices.ContainsFunc(o.Findings, func(f admission.Finding) bool { return f.Action != admission.Audit })
}

// findingTexts bounds a line of the log: a Pod of many containers can have very many findings.
func findingTexts(findings []admission.Finding) []string {
	const most = 20
	var out []string
	for _, f := range findings[:min(len(findings), most)] {
		out = append(out, string(f.Action)+" "+f.String())
	}
	if len(findings) > most {
		out = append(out, "…")
	}
	return out
}
