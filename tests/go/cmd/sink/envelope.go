package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

const structuredJSON = "application/cloudevents+json"

type received struct {
	event      *event.Event
	structured bool
	data       []byte // JSON; null where there is none
}

// decode returns the event of one request, or a failure of status 400 or 415.
//
// Attribute values in headers are taken as they are: sdk-go does no percent-decoding.
func decode(header http.Header, body []byte) (*received, error) {
	if len(header.Values("Content-Type")) > 1 {
		return nil, malformed("more than one Content-Type")
	}
	contentType := header.Get("Content-Type")
	kind := mediaType(contentType)
	switch {
	case kind == structuredJSON:
		if !isUTF8(contentType) {
			return nil, unsupported("JSON is UTF-8")
		}
		return decodeStructured(body)
	case strings.HasPrefix(kind, "application/cloudevents"):
		return nil, unsupported("of the structured formats only JSON is read, and no batches")
	}
	return decodeBinary(header, contentType, body)
}

func decodeBinary(header http.Header, contentType string, body []byte) (*received, error) {
	clean := http.Header{}
	for name, values := range header {
		if !strings.HasPrefix(name, "Ce-") {
			continue
		}
		attribute := strings.ToLower(name[len("Ce-"):])
		if len(values) != 1 {
			return nil, malformed(attribute + " is there more than once")
		}
		value := values[0]
		if !utf8.ValidString(value) {
			value = latin1(value) // Knative's Kafka dispatcher writes one byte a character
		}
		if err := checkText(attribute, value); err != nil {
			return nil, err
		}
		if attribute == "datacontenttype" || attribute == "data" {
			return nil, malformed("there is no ce-" + attribute + ": Content-Type and body say it")
		}
		if attribute == "time" {
			value = strings.ToUpper(value)
		}
		clean.Set(name, value)
	}
	if err := checkRequired(func(name string) string { return clean.Get("Ce-" + name) }); err != nil {
		return nil, err
	}
	if contentType != "" {
		clean.Set("Content-Type", contentType)
	}
	// The data is checked and kept apart, because sdk-go does not look into it.
	e, err := binding.ToEvent(context.Background(), cehttp.NewMessage(clean, io.NopCloser(bytes.NewReader(nil))))
	if err != nil {
		return nil, malformed(err.Error())
	}
	if len(body) == 0 {
		return &received{e, false, []byte("null")}, nil
	}
	if !isJSON(contentType) {
		return nil, unsupported("the data has to be JSON in UTF-8")
	}
	return &received{e, false, body}, checkJSON(body)
}

func decodeStructured(body []byte) (*received, error) {
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, malformed("a structured event is a JSON object")
	}
	attributes := map[string]any{}
	for name, raw := range members {
		if name == "data" || name == "data_base64" || string(raw) == "null" {
			continue
		}
		value, err := attributeValue(name, raw)
		if err != nil {
			return nil, err
		}
		attributes[name] = value
	}
	text := func(name string) string { value, _ := attributes[name].(string); return value }
	if err := checkRequired(text); err != nil {
		return nil, err
	}
	contentType := text("datacontenttype")
	data, err := structuredData(members, contentType)
	if err != nil {
		return nil, err
	}
	envelope, err := json.Marshal(attributes)
	if err != nil {
		return nil, err
	}
	e := event.New(event.CloudEventsVersionV1)
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, malformed(err.Error())
	}
	return &received{&e, true, data}, nil
}

// structuredData returns the data as JSON. sdk-go would refuse an object under a `+json` type, and
// take data_base64 where there is data too.
func structuredData(members map[string]json.RawMessage, contentType string) ([]byte, error) {
	data, hasData := members["data"]
	encoded, hasEncoded := members["data_base64"]
	if hasEncoded && string(encoded) != "null" {
		if hasData {
			return nil, malformed("data and data_base64 exclude each other")
		}
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return nil, malformed("data_base64 has to be a string")
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, malformed("data_base64 is not base64")
		}
		if !isJSON(contentType) {
			return nil, unsupported("the data has to be JSON in UTF-8")
		}
		return raw, checkJSON(raw)
	}
	if contentType != "" && !isJSON(contentType) {
		return nil, unsupported("the data has to be JSON in UTF-8")
	}
	if !hasData {
		return []byte("null"), nil
	}
	return data, nil
}

var (
	attributeName = regexp.MustCompile(`^[a-z0-9]+$`)
)

// Optional attributes must not be empty where they are present.
var core = map[string]bool{
	"id": true, "source": true, "type": true, "specversion": true, "subject": true,
	"time": true, "dataschema": true, "datacontenttype": true,
}

func attributeValue(name string, raw json.RawMessage) (any, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, malformed(err.Error())
	}
	switch value := value.(type) {
	case string:
		if name == "time" {
			value = strings.ToUpper(value)
		}
		return value, checkText(name, value)
	case bool:
		if !core[name] {
			return value, checkText(name, "true")
		}
	case json.Number:
		if number, err := strconv.ParseInt(value.String(), 10, 32); err == nil && !core[name] {
			return number, checkText(name, value.String())
		}
	}
	return nil, malformed("an attribute is a string; an extension may be a boolean or a 32-bit integer")
}

func checkText(name, value string) error {
	if !attributeName.MatchString(name) {
		return malformed("attribute names are lower-case letters and digits")
	}
	if value == "" && core[name] {
		return malformed(name + " is empty")
	}
	for _, r := range value {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || (r >= 0xfdd0 && r <= 0xfdef) || r&0xfffe == 0xfffe {
			return malformed(name + " has control characters or noncharacters")
		}
	}
	return nil
}

func checkRequired(get func(string) string) error {
	for _, name := range []string{"id", "source", "type"} {
		if get(name) == "" {
			return malformed(name + " is required and not empty")
		}
	}
	if get("specversion") != event.CloudEventsVersionV1 {
		return malformed("specversion has to be 1.0")
	}
	return nil
}

var surrogate = regexp.MustCompile(`\\(?:\\|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2})`)

// encoding/json accepts what RFC 8259 does not, or leaves open: other bytes than UTF-8, and escapes
// of half a character.
func checkJSON(raw []byte) error {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return malformed("the body is not JSON (RFC 8259, UTF-8)")
	}
	for _, escape := range surrogate.FindAll(raw, -1) {
		if len(escape) == len(`\ud800`) {
			return malformed("the body has an escape of half a character")
		}
	}
	return nil
}

func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

func isJSON(contentType string) bool {
	kind := mediaType(contentType)
	return (strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json")) && isUTF8(contentType)
}

func isUTF8(contentType string) bool {
	_, parameters, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(parameters["charset"])
	return err == nil && (charset == "" || charset == "utf-8" || charset == "utf8")
}

func latin1(raw string) string {
	var text strings.Builder
	for _, b := range []byte(raw) {
		text.WriteRune(rune(b))
	}
	return text.String()
}

func malformed(text string) failure {
	return failure{http.StatusBadRequest, "not a CloudEvent 1.0: " + text}
}

func unsupported(text string) failure {
	return failure{http.StatusUnsupportedMediaType, text}
}
