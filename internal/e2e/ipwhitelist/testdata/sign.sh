#!/bin/sh
# Signs and sends one request by the profile ipwhitelist-v1, with date, openssl and curl. Prints the HTTP status.
# SECRET is the key in hex; SECRET and KEYID are those of the text form ipw1.KEYID.….
set -eu
body='{"n": 1}'
now=$(date +%s)
nonce=$($OPENSSL rand -hex 16)
digest=sha-256=:$(printf %s "$body" | $OPENSSL dgst -sha256 -binary | $OPENSSL base64 -A):
params="(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\" \"content-type\");created=$now;expires=$((now + 60));nonce=\"$nonce\";keyid=\"$KEYID\";tag=\"ipwhitelist-v1\""
base=$(printf '"@method": POST\n"@authority": %s\n"@path": /v1/orders\n"@query": ?dry=1\n"content-digest": %s\n"content-type": application/json\n"@signature-params": %s' \
	"$AUTHORITY" "$digest" "$params")
mac=$(printf %s "$base" | $OPENSSL dgst -sha256 -mac HMAC -macopt "hexkey:$SECRET" -binary | $OPENSSL base64 -A)
env -u LD_PRELOAD -u FAKETIME $CURL -s -o /dev/null -w '%{http_code}\n' -X POST "http://$ADDR/v1/orders?dry=1" -H "Host: $AUTHORITY" \
	-H 'Content-Type: application/json' -H "Content-Digest: $digest" -H "Signature-Input: sig=$params" -H "Signature: sig=:$mac:" --data-binary "$body"
