// go-sse as tests/interop/stream_clients_test.ts uses it.
//
//	gosse URL EVENT COUNT     reads until COUNT events named EVENT have come, and reconnects by itself
//
// Prints each event as one line of JSON: event, id, data.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"

	"github.com/tmaxmax/go-sse"
)

type line struct {
	Event string `json:"event"`
	ID    string `json:"id"`
	Data  string `json:"data"`
}

func main() {
	left, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	ctx, done := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	connection := sse.NewConnection(request)
	out := json.NewEncoder(os.Stdout)
	connection.SubscribeToAll(func(event sse.Event) {
		if left == 0 {
			return
		}
		if err := out.Encode(line{event.Type, event.LastEventID, event.Data}); err != nil {
			log.Fatal(err)
		}
		if event.Type == os.Args[2] {
			left--
		}
		if left == 0 {
			done()
		}
	})
	if err := connection.Connect(); ctx.Err() == nil {
		log.Fatal(err)
	}
}
