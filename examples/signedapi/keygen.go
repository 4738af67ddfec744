package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const keygenHelp = `
Usage: signedapi keygen -id billing.2026-11.1 [flags]

Makes a key for one caller at one provider: the text for the caller, and the entry for the provider's key file. With
-api-key, a bearer key for a caller that can't sign, of which the provider keeps the hash.
`

func keygen(_ context.Context, args []string, s streams) error {
	f := newFlags("keygen", s, keygenHelp)
	id := f.String("id", "", "the `name` of the key, by convention CALLER.YYYY-MM.N")
	api := f.Bool("api-key", false, "make an API key")
	out := f.String("out", "", "write the caller's text to this new `file`, mode 0600, instead of printing it")
	if err := f.ParseOnly(args); err != nil {
		return err
	}
	var text string
	var entry any
	var err error
	if *api {
		var kept ipwhitelist.APIKey
		text, kept, err = ipwhitelist.GenerateAPIKey(*id, rand.Reader)
		entry = kept
	} else {
		text, err = httpsig.GenerateKey(*id, rand.Reader)
		entry = ipwhitelist.Key{ID: *id, Alg: "hmac-sha256", Secret: ipwhitelist.Secret(text), State: ipwhitelist.Next}
	}
	if err != nil {
		return cli.Usage(err)
	}
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	if *out == "" {
		return cli.Write(s.Out, "# for the caller\n"+text+"\n# for the provider\n"+string(line)+"\n")
	}
	file, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text + "\n"); err != nil {
		_ = file.Close() // the first error is the one to tell
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return cli.Write(s.Out, string(line)+"\n")
}
