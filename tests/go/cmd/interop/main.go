// Program interop reads and writes CloudEvents with sdk-go, one JSON document a line.
//
//	interop read  < messages > events     HTTP messages in, what the SDK makes of them out
//	interop write < events   > messages   events in, the HTTP messages that the SDK makes of them out
//
// The lines are described in tests/interop/exchange.py. Every line is answered by one line; what the
// SDK refuses becomes {"error": ...}.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"
)

type message struct {
	Headers [][2]string `json:"headers"` // one Latin-1 character a byte
	Body    []byte      `json:"body"`    // base64 in JSON
}

type data struct {
	JSON   json.RawMessage `json:"json,omitempty"`
	Base64 *[]byte         `json:"base64,omitempty"`
}

type document struct {
	Mode       string         `json:"mode,omitempty"`
	Attributes map[string]any `json:"attributes"`
	Data       *data          `json:"data"`
	AsIs       bool           `json:"as_is,omitempty"`
}

// What sdk-go itself takes for JSON; it does not know `+json`.
var jsonTypes = map[string]bool{"": true, "application/json": true, "text/json": true}

func main() {
	if len(os.Args) != 2 || (os.Args[1] != "read" && os.Args[1] != "write") {
		fmt.Fprintln(os.Stderr, "usage: interop read|write")
		os.Exit(2)
	}
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var answer any
			if os.Args[1] == "read" {
				answer = orError(read(line))
			} else {
				answer = orError(write(line))
			}
			encoder := json.NewEncoder(out) // ends the line
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(answer); err != nil {
				panic(err)
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(err)
		}
	}
}

func orError[T any](value T, err error) any {
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	return value
}

func read(line []byte) (*document, error) {
	var sent message
	if err := json.Unmarshal(line, &sent); err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, pair := range sent.Headers {
		header.Add(pair[0], asBytes(pair[1]))
	}
	received := cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(sent.Body)))
	structured := received.ReadEncoding() == binding.EncodingStructured
	e, err := binding.ToEvent(context.Background(), received)
	if err != nil {
		return nil, err
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	result := document{Attributes: attributes(e)}
	if payload := e.Data(); payload != nil {
		if structured && !e.DataBase64 && jsonTypes[e.DataMediaType()] {
			result.Data = &data{JSON: payload}
		} else {
			result.Data = &data{Base64: &payload}
		}
	}
	return &result, nil
}

func attributes(e *event.Event) map[string]any {
	result := map[string]any{"id": e.ID(), "source": e.Source(), "type": e.Type()}
	for name, value := range map[string]string{
		"subject":         e.Subject(),
		"dataschema":      e.DataSchema(),
		"datacontenttype": e.DataContentType(),
	} {
		if value != "" {
			result[name] = value
		}
	}
	if !e.Time().IsZero() {
		result["time"] = types.FormatTime(e.Time())
	}
	for name, value := range e.Extensions() {
		result[name] = value
	}
	return result
}

func write(line []byte) (*message, error) {
	var wanted document
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&wanted); err != nil {
		return nil, err
	}
	e, err := made(wanted)
	if err != nil {
		return nil, err
	}
	ctx := binding.WithForceBinary(context.Background())
	if wanted.Mode == "structured" {
		ctx = binding.WithForceStructured(context.Background())
	}
	request, err := cehttp.NewHTTPRequestFromEvent(ctx, "http://sink/", *e)
	if err != nil {
		return nil, err
	}
	var result message
	for name, values := range request.Header {
		for _, value := range values {
			result.Headers = append(result.Headers, [2]string{name, asLatin1(value)})
		}
	}
	result.Body = []byte{}
	if request.Body != nil {
		result.Body, err = io.ReadAll(request.Body)
	}
	return &result, err
}

func made(wanted document) (*event.Event, error) {
	e := event.New(event.CloudEventsVersionV1)
	contentType := ""
	for name, value := range wanted.Attributes {
		text, isText := value.(string)
		// sdk-go does no percent-encoding: a value that a strict reader would take for an encoded
		// or quoted one, or trim, has to be encoded before the SDK gets it.
		if isText && wanted.Mode == "binary" && !wanted.AsIs && name != "datacontenttype" {
			text = encoded(text)
			value = text
		}
		switch name {
		case "id":
			e.SetID(text)
		case "source":
			e.SetSource(text)
		case "type":
			e.SetType(text)
		case "subject":
			e.SetSubject(text)
		case "dataschema":
			e.SetDataSchema(text)
		case "datacontenttype":
			contentType = text
			e.SetDataContentType(text)
		case "time":
			moment, err := types.ParseTime(strings.ToUpper(text))
			if err != nil {
				return nil, err
			}
			e.SetTime(moment)
		default:
			if number, isNumber := value.(json.Number); isNumber {
				integer, err := number.Int64()
				if err != nil {
					return nil, err
				}
				value = integer
			}
			e.SetExtension(name, value)
		}
	}
	if wanted.Data == nil {
		return &e, nil
	}
	if wanted.Data.Base64 != nil {
		return &e, e.SetData(contentType, *wanted.Data.Base64)
	}
	// Given a value under a `+json` type, sdk-go writes structured data as text that holds JSON;
	// given bytes, it writes data_base64, which is right.
	if !wanted.AsIs && !jsonTypes[e.DataMediaType()] {
		return &e, e.SetData(contentType, []byte(wanted.Data.JSON))
	}
	return &e, e.SetData(contentType, wanted.Data.JSON)
}

func encoded(text string) string {
	quoted := len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"'
	if !quoted && !strings.Contains(text, "%") && strings.TrimSpace(text) == text {
		return text
	}
	var result strings.Builder
	for _, b := range []byte(text) {
		if b <= ' ' || b >= 0x7f || b == '"' || b == '%' {
			fmt.Fprintf(&result, "%%%02X", b)
		} else {
			result.WriteByte(b)
		}
	}
	return result.String()
}

func asBytes(latin1 string) string {
	result := make([]byte, 0, len(latin1))
	for _, r := range latin1 {
		result = append(result, byte(r))
	}
	return string(result)
}

func asLatin1(raw string) string {
	var result strings.Builder
	for _, b := range []byte(raw) {
		result.WriteRune(rune(b))
	}
	return result.String()
}
