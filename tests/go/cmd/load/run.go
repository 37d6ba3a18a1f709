package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const patience = 30 * time.Second // of a sender; then an event counts as not answered

type load struct {
	url         string
	events      template
	first       int
	connections int
	sources     bool
	replies     bool
	status      int
	warmUp      time.Duration
	measured    time.Duration
	latency     time.Duration
}

// An account is what the load came to: answers within the measured seconds, and what became of every
// event, those of the warm-up too.
type account struct {
	Answered    int            `json:"answered"`
	Seconds     float64        `json:"seconds"`
	P50         float64        `json:"p50_ms"`
	P95         float64        `json:"p95_ms"`
	P99         float64        `json:"p99_ms"`
	Max         float64        `json:"max_ms"`
	Sent        int            `json:"sent"`
	Errors      int            `json:"errors"`
	Lost        int            `json:"lost"`
	Duplicates  int            `json:"duplicates"`
	InFlightMax int64          `json:"in_flight_max"`
	Failures    map[string]int `json:"failures"`

	first        int
	acknowledged []int
}

func run(l load) *account {
	// Closed loop: no pace but the server's, and as many senders as connections.
	attacker := vegeta.NewAttacker(
		vegeta.Client(client(l.sources)),
		vegeta.Workers(uint64(l.connections)),
		vegeta.MaxWorkers(uint64(l.connections)),
	)
	unpaced := vegeta.Rate{Freq: 0}
	begun := time.Now()
	begin, end := begun.Add(l.warmUp), begun.Add(l.warmUp+l.measured)
	say("begin", begin)
	say("end", end)
	a := &account{first: l.first, Seconds: l.measured.Seconds(), Failures: map[string]int{}}
	var metrics vegeta.Metrics
	for result := range attacker.Attack(l.target(), unpaced, l.warmUp+l.measured, "") {
		number := numberOf(result)
		a.Sent++
		if failure := l.judge(result, number); failure != "" {
			a.Errors++
			a.Failures[failure]++
			continue
		}
		if result.Code/100 == 2 {
			a.acknowledged = append(a.acknowledged, number)
		}
		if at := result.End(); !at.Before(begin) && at.Before(end) {
			metrics.Add(result)
		}
	}
	metrics.Close()
	a.Answered = int(metrics.Requests)
	times := metrics.Latencies
	a.P50, a.P95, a.P99, a.Max = ms(times.P50), ms(times.P95), ms(times.P99), ms(times.Max)
	return a
}

func say(word string, at time.Time) {
	time.AfterFunc(time.Until(at), func() { fmt.Println(word) })
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func client(sources bool) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 1 << 16, DisableCompression: true}
	if sources {
		transport.DisableKeepAlives = true
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			ip := net.IPv4(127, byte(1+rand.IntN(250)), byte(rand.IntN(256)), byte(1+rand.IntN(250)))
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
			return dialer.DialContext(ctx, network, address)
		}
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// A fragment is never sent, but the result has it: so it tells which event a result is about.
// The connections' first events are spread over the latency: callers do not act in step.
func (l load) target() vegeta.Targeter {
	var sent atomic.Int64
	return func(target *vegeta.Target) error {
		index := int(sent.Add(1) - 1)
		if index < l.connections {
			time.Sleep(l.latency * time.Duration(index) / time.Duration(l.connections))
		}
		number := l.first + index
		target.Method, target.URL = http.MethodPost, l.url+"#"+strconv.Itoa(number)
		target.Header, target.Body = l.events.request(number)
		return nil
	}
}

func numberOf(result *vegeta.Result) int {
	_, fragment, _ := strings.Cut(result.URL, "#")
	number, _ := strconv.Atoi(fragment)
	return number
}

// kindOf returns an error of the client without the URL, which has the event's number.
func kindOf(failure string) string {
	_, after, found := strings.Cut(failure, "\": ")
	if found {
		return after
	}
	return failure
}

// judge returns what is wrong with an answer; nothing for a good one.
func (l load) judge(result *vegeta.Result, number int) string {
	switch {
	case l.status != 0 && int(result.Code) == l.status:
		return ""
	case result.Error != "":
		return kindOf(result.Error)
	case l.status != 0 || result.Code/100 != 2:
		return fmt.Sprintf("status %d", result.Code)
	case !l.replies:
		return ""
	case result.Code != http.StatusOK:
		return fmt.Sprintf("status %d instead of 200", result.Code)
	case !isEvent(result.Headers, result.Body):
		return "the reply is not a CloudEvent"
	}
	if revision, found := revisionOf(result.Body); !found || revision != number {
		return "the reply is not about the event's own revision"
	}
	return ""
}

func isEvent(header http.Header, body []byte) bool {
	switch kind, _, _ := strings.Cut(header.Get("Content-Type"), ";"); kind {
	case "application/cloudevents+json":
		return hasMembers(body)
	case "application/json":
		for _, name := range []string{"Ce-Id", "Ce-Source", "Ce-Type"} {
			if header.Get(name) == "" {
				return false
			}
		}
		return header.Get("Ce-Specversion") == "1.0"
	}
	return false
}

// judge adds what became of the acknowledged events. A result is only in when its answer is, so by
// now every one of them has arrived, or never will.
func (a *account) judge(u *upstreams) {
	for _, book := range u.ledgers {
		for _, number := range a.acknowledged {
			if book.times(number-a.first) == 0 {
				a.Lost++
			}
		}
		a.Duplicates += book.repeated()
	}
	a.InFlightMax = u.most.Load()
}
