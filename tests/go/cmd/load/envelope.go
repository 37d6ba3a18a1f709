package main

import "encoding/json"

// hasMembers is true for a structured event with all attributes that are required.
func hasMembers(body []byte) bool {
	var event struct {
		Specversion, ID, Source, Type string
	}
	return json.Unmarshal(body, &event) == nil &&
		event.Specversion == "1.0" && event.ID != "" && event.Source != "" && event.Type != ""
}
