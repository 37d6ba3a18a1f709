package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Upstreams are the predictor, EventGate or both; each keeps how often it has seen each event.
type upstreams struct {
	first   int
	latency time.Duration
	ledgers []*ledger
	now     atomic.Int64
	most    atomic.Int64
}

type ledger struct {
	mutex sync.Mutex
	seen  []uint8
}

func newUpstreams(first int, latency time.Duration) *upstreams {
	return &upstreams{first: first, latency: latency}
}

type reply func(w http.ResponseWriter, revision int)

// serve answers on an inherited listening socket as long as the program runs.
func (u *upstreams) serve(fd int, answer reply) {
	file := os.NewFile(uintptr(fd), "listener")
	listener, err := net.FileListener(file)
	if err != nil {
		log.Fatalf("file descriptor %d is no listening socket: %v", fd, err)
	}
	file.Close()
	book := &ledger{}
	u.ledgers = append(u.ledgers, book)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.enter()
		defer u.now.Add(-1)
		body, err := io.ReadAll(r.Body)
		revision, found := revisionOf(body)
		if err != nil || !found {
			http.Error(w, "there is no rev_id in it", http.StatusBadRequest)
			return
		}
		book.enter(revision - u.first)
		time.Sleep(u.latency)
		answer(w, revision)
	})
	go func() { log.Fatal(http.Serve(listener, handler)) }()
}

func (u *upstreams) enter() {
	now := u.now.Add(1)
	for most := u.most.Load(); now > most && !u.most.CompareAndSwap(most, now); {
		most = u.most.Load()
	}
}

func (l *ledger) enter(index int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if index < 0 { // an event of nobody's: sent to see whether the server has started
		return
	}
	for index >= len(l.seen) {
		l.seen = append(l.seen, 0)
	}
	if l.seen[index] < 255 {
		l.seen[index]++
	}
}

func (l *ledger) times(index int) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if index >= len(l.seen) {
		return 0
	}
	return int(l.seen[index])
}

// repeated returns how often an event has come that had come before.
func (l *ledger) repeated() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	sum := 0
	for _, times := range l.seen {
		sum += max(0, int(times)-1)
	}
	return sum
}

func predict(body []byte) reply {
	answer := split(body)
	return func(w http.ResponseWriter, revision int) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer.filled(revision))
	}
}

func accept(w http.ResponseWriter, _ int) {
	w.WriteHeader(http.StatusCreated)
}

// The member as compact and as spaced JSON has it; whatever comes first is the event's own.
var revisionMember = []byte(`"rev_id":`)

func revisionOf(body []byte) (int, bool) {
	at := bytes.Index(body, revisionMember)
	if at < 0 {
		return 0, false
	}
	digits := bytes.TrimLeft(body[at+len(revisionMember):], " ")
	length := 0
	for length < len(digits) && '0' <= digits[length] && digits[length] <= '9' {
		length++
	}
	revision, err := strconv.Atoi(string(digits[:length]))
	return revision, err == nil
}
