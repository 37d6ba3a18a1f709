// Program load is the load and the upstream of `python -m tests.bench`, in one process, so that it
// knows of each event both what the caller was told and what has arrived.
//
//	load -server URL -template FILE -predictor-fd N -answer FILE    a score-sink
//	load -server URL -template FILE -eventgate-fd N                 an egress-sink
//
// With both it loads a shim that stands before the two; without -server it is an upstream until it is
// ended. Each of -connections sends its next event as soon as its last one is answered. Standard
// output gets a line `begin` when the warm-up is over, a line `end` when the measured seconds are, and
// then one JSON object.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"time"
)

// A collection stops everybody at once, and whoever waited comes back in one burst.
const memory = 1 << 30

func main() {
	log.SetFlags(0)
	server := flag.String("server", "", "URL that gets the events")
	template := flag.String("template", "", "file with the request: header lines, an empty line, the body; @N@ is the event's number")
	first := flag.Int("first", 1000000000, "number of the first event; it has ten digits")
	connections := flag.Int("connections", 32, "how many there are")
	sources := flag.Bool("sources", false, "each request on a connection of its own, from another loopback address")
	replies := flag.Bool("replies", false, "only an event about the same revision is a good answer; without: any 2xx")
	status := flag.Int("status", 0, "only this status is a good answer")
	warmUp := flag.Duration("warm-up", time.Second, "before anything counts")
	measured := flag.Duration("seconds", 3*time.Second, "how long answers count")
	latency := flag.Duration("latency", 0, "what the upstream takes to answer")
	predictor := flag.Int("predictor-fd", -1, "listening socket of the predictor")
	answer := flag.String("answer", "", "file with the predictor's answer; @N@ is the revision")
	eventgate := flag.Int("eventgate-fd", -1, "listening socket of EventGate")
	flag.Parse()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memory)

	arrived := newUpstreams(*first, *latency)
	if *predictor >= 0 {
		body, err := os.ReadFile(*answer)
		if err != nil {
			log.Fatal(err)
		}
		arrived.serve(*predictor, predict(body))
	}
	if *eventgate >= 0 {
		arrived.serve(*eventgate, accept)
	}
	if *server == "" {
		select {}
	}
	events, err := readTemplate(*template)
	if err != nil {
		log.Fatal(err)
	}
	account := run(load{
		url: *server, events: events, first: *first, connections: *connections, sources: *sources,
		replies: *replies, status: *status, warmUp: *warmUp, measured: *measured, latency: *latency,
	})
	account.judge(arrived)
	text, err := json.Marshal(account)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
