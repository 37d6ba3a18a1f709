// Program sink is a CloudEvents processor on sdk-go that does everything right: the proof that a
// prober of sinks raises no false alarm about programs that are not ours.
//
//	sink -fd N              serve on an inherited listening socket
//	sink -listen HOST:PORT  serve there
//
// POST / takes one event with a JSON object as data and replies, in the content mode of the request,
// with an event that says how many members the object has. sdk-go decodes and encodes; the checks in
// front of it are what the specification demands and the SDK lets pass (envelope.go).
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

const (
	replyType = "com.example.members.counted"
	maxBody   = 4 << 20
	maxThrown = 16 << 20 // of a body that is too large: so much is read, then the connection ends
	maxError  = 768      // bytes of an error's body: longer ones crash a broker's dispatcher
)

func main() {
	fd := flag.Int("fd", -1, "an inherited listening socket; used instead of -listen")
	address := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	listener, err := listen(*fd, *address)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(serve),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       100 * time.Second, // longer than a broker keeps an idle connection
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	done := make(chan struct{})
	go func() {
		<-ended.Done()
		_ = server.Shutdown(context.Background()) // waits for the events in hand
		close(done)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-done
}

func listen(fd int, address string) (net.Listener, error) {
	if fd < 0 {
		return net.Listen("tcp", address)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	return net.FileListener(file)
}

// No ServeMux: it answers odd paths with redirects, and an event that is redirected is lost.
func serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/healthz" && r.Method == http.MethodGet:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path != "/":
		refuse(w, failure{http.StatusNotFound, "events are POSTed to /"})
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, failure{http.StatusMethodNotAllowed, "events are POSTed"})
	default:
		deliver(w, r)
	}
}

func deliver(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err == nil {
		var input *received
		if input, err = decode(r.Header, body); err == nil {
			err = reply(w, r.Context(), input)
		}
	}
	var known failure
	switch {
	case errors.As(err, &known):
		refuse(w, known)
	case err != nil: // a bug: temporary, so that the sender keeps the event
		log.Print(err)
		refuse(w, failure{http.StatusInternalServerError, "an error of this sink"})
	}
}

func readBody(r *http.Request) ([]byte, error) {
	tooLarge := failure{http.StatusRequestEntityTooLarge, "the body may have at most 4 MiB"}
	if r.ContentLength > maxThrown {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, failure{http.StatusBadRequest, "the body ended early, or is broken"}
	}
	if len(body) > maxBody {
		// A sender that writes first and reads later gets its answer, and no reset.
		_, _ = io.CopyN(io.Discard, r.Body, maxThrown)
		return nil, tooLarge
	}
	return body, nil
}

func reply(w http.ResponseWriter, ctx context.Context, input *received) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(input.data, &members); err != nil || members == nil {
		return failure{http.StatusUnprocessableEntity, "the data has to be a JSON object"}
	}
	if input.event.Type() == replyType { // our own replies: answering them would be a loop
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	output := event.New(event.CloudEventsVersionV1)
	output.SetID(idFor(input.event))
	output.SetSource("/samples/members")
	output.SetType(replyType)
	if !input.event.Time().IsZero() {
		output.SetTime(input.event.Time())
	}
	carryTrace(input.event, &output)
	if err := output.SetData(event.ApplicationJSON, map[string]int{"members": len(members)}); err != nil {
		return err
	}
	if input.structured {
		ctx = binding.WithForceStructured(ctx)
	}
	return cehttp.WriteResponseWriter(ctx, binding.ToMessage(&output), http.StatusOK, w)
}

// A redelivered event makes the same reply, so that whoever gets both can tell.
func idFor(input *event.Event) string {
	parts, _ := json.Marshal([]string{input.Source(), input.ID(), replyType})
	sum := sha256.Sum256(parts)
	return hex.EncodeToString(sum[:16])
}

var (
	traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	tracestate  = regexp.MustCompile(`^[!#$&-~]{1,512}$`)
)

// The tracing extension names the trace in which the first event arose: it goes on unchanged.
func carryTrace(input, output *event.Event) {
	parent, _ := input.Extensions()["traceparent"].(string)
	if !traceparent.MatchString(parent) {
		return
	}
	output.SetExtension("traceparent", parent)
	if state, _ := input.Extensions()["tracestate"].(string); tracestate.MatchString(state) {
		output.SetExtension("tracestate", state)
	}
}

// A failure is what a sender gets to know: a status that says whether to repeat, and one line.
type failure struct {
	status int
	text   string
}

func (f failure) Error() string { return f.text }

func refuse(w http.ResponseWriter, f failure) {
	body, _ := json.Marshal(map[string]string{"error": f.text})
	for len(body) > maxError {
		f.text = f.text[:len(f.text)/2]
		body, _ = json.Marshal(map[string]string{"error": f.text})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}
