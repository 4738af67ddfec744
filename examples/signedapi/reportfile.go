package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// reportFile keeps what the processes before this one have seen, and adds what this one does.
type reportFile struct {
	path   string
	before []ipwhitelist.Report
}

// openReportFile reads the file, if there is one: it must not be found broken when it is to be written.
func openReportFile(path string) (*reportFile, error) {
	f := &reportFile{path: path}
	text, err := os.ReadFile(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, err
	}
	f.before, err = parseReports(path, text)
	return f, err
}

// save replaces the file at once: a process that is killed leaves the last one.
func (f *reportFile) save(own ipwhitelist.Report) error {
	text, err := json.MarshalIndent(ipwhitelist.MergeReports(append(slices.Clip(f.before), own)...), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}

// keepReport saves the report now and then, since not every process has an end.
func (p *provider) keepReport(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Minute):
		}
		if err := p.reports.save(p.guard.Report()); err != nil {
			p.log.Error("the report is not saved", "error", err)
		}
	}
}

// lastReport is the end: without a file the report goes to the log, where it can be found after the Pod is gone.
func (p *provider) lastReport() error {
	if p.reports.path == "" {
		p.log.Info("report", "report", p.guard.Report())
		return nil
	}
	return p.reports.save(p.guard.Report())
}

// parseReports reads reports, and lines of a JSON log that hold some, one behind the other.
func parseReports(source string, text []byte) ([]ipwhitelist.Report, error) {
	var all []ipwhitelist.Report
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var one struct {
			ipwhitelist.Report
			Logged ipwhitelist.Report `json:"report"`
		}
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("write a URL that ends in /report, a file of serve -report-file, or the JSON log of a provider that has ended")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: is no report: %w", source, err)
		}
		for _, r := range []ipwhitelist.Report{one.Report, one.Logged} {
			if !r.Until.IsZero() {
				all = append(all, r)
			}
		}
	}
}
