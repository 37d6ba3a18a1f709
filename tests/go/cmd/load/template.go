package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const placeholder = "@N@"

// A template is one request; all that differs between two events is their number.
type template struct {
	header map[string]parts
	body   parts
}

// parts are what stands between the placeholders.
type parts [][]byte

func (p parts) filled(number int) []byte {
	if len(p) == 1 {
		return p[0]
	}
	return bytes.Join(p, strconv.AppendInt(nil, int64(number), 10))
}

func readTemplate(name string) (template, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return template{}, err
	}
	head, body, found := bytes.Cut(text, []byte("\n\n"))
	if !found {
		return template{}, fmt.Errorf("%s: there has to be an empty line before the body", name)
	}
	request := template{map[string]parts{}, split(body)}
	for _, line := range strings.Split(string(head), "\n") {
		field, value, _ := strings.Cut(line, ": ")
		request.header[http.CanonicalHeaderKey(field)] = split([]byte(value))
	}
	return request, nil
}

func split(text []byte) parts {
	return bytes.Split(text, []byte(placeholder))
}

func (t template) request(number int) (http.Header, []byte) {
	header := make(http.Header, len(t.header))
	for field, value := range t.header {
		header[field] = []string{string(value.filled(number))}
	}
	return header, t.body.filled(number)
}
