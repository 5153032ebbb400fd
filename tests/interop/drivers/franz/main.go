// A driver of the conformance suite around franz-go: questions from standard input, answers to standard output.
//
// The questions are those of ../../driver_protocol.ts. kgo produces, consumes and holds transactions, kadm administers.
// Left out: KIP-848 groups and share groups, which the suite does not ask for.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Time for one question, below the suite's own, so that it is the library's error that is told.
const askTimeout = 80 * time.Second

type handler func(ctx context.Context, args json.RawMessage) (any, error)

// What an operation answers that tells nothing but its success.
type done struct{}

// driver keeps what lives longer than a question.
type driver struct {
	bootstrap string
	handlers  map[string]handler

	mu           sync.Mutex
	members      map[string]*member
	transactions map[string]*transaction
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: franz HOST:PORT")
		os.Exit(2)
	}
	d := &driver{
		bootstrap:    os.Args[1],
		members:      map[string]*member{},
		transactions: map[string]*transaction{},
	}
	d.handlers = map[string]handler{
		"hello":             d.hello,
		"produce":           answer(d.produce),
		"consume":           answer(d.consume),
		"group.join":        answer(d.join),
		"group.state":       answer(d.state),
		"group.commit":      answer(d.commit),
		"group.seek":        answer(d.seek),
		"group.leave":       answer(d.leave),
		"txn.open":          answer(d.openTransaction),
		"txn.begin":         answer(d.beginTransaction),
		"txn.send":          answer(d.sendInTransaction),
		"txn.sendOffsets":   answer(d.sendOffsets),
		"txn.commit":        answer(d.commitTransaction),
		"txn.abort":         answer(d.abortTransaction),
		"txn.close":         answer(d.closeTransaction),
		"txn.process":       answer(d.process),
		"listOffsets":       administer(d, listOffsets),
		"createTopics":      administer(d, createTopics),
		"deleteTopics":      administer(d, deleteTopics),
		"listTopics":        administer(d, listTopics),
		"describeTopic":     administer(d, describeTopic),
		"createPartitions":  administer(d, createPartitions),
		"deleteRecords":     administer(d, deleteRecords),
		"describeConfigs":   administer(d, describeConfigs),
		"alterConfigs":      administer(d, alterConfigs),
		"listGroups":        administer(d, listGroups),
		"describeGroup":     administer(d, describeGroup),
		"deleteGroups":      administer(d, deleteGroups),
		"groupOffsets":      administer(d, groupOffsets),
		"alterGroupOffsets": administer(d, alterGroupOffsets),
		"describeCluster":   administer(d, describeCluster),
		"describeLogDirs":   administer(d, describeLogDirs),

		"incrementalAlterConfigs": administer(d, incrementalAlterConfigs),
		"deleteGroupOffsets":      administer(d, deleteGroupOffsets),
	}
	if err := d.serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers until the input ends, then closes what is open.
func (d *driver) serve(in io.Reader, out io.Writer) error {
	var running sync.WaitGroup
	var writing sync.Mutex
	input := bufio.NewReader(in)
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		running.Go(func() {
			text, err := json.Marshal(d.ask(line))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			writing.Lock()
			defer writing.Unlock()
			_, _ = out.Write(append(text, '\n')) // who no longer reads has ended
		})
	}
	running.Wait()
	for _, m := range d.members {
		m.end()
	}
	for _, t := range d.transactions {
		t.client.Close()
	}
	return nil
}

type failure struct {
	Code    *int16 `json:"code"`
	Message string `json:"message"`
}

type reply struct {
	ID    int      `json:"id"`
	OK    any      `json:"ok,omitempty"`
	Error *failure `json:"error,omitempty"`
}

func (d *driver) ask(line []byte) reply {
	var question struct {
		ID int    `json:"id"`
		Op string `json:"op"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return reply{Error: &failure{Message: err.Error()}}
	}
	ask, ok := d.handlers[question.Op]
	if !ok {
		return reply{ID: question.ID, Error: &failure{Message: "this driver has no " + question.Op}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	told, err := ask(ctx, line)
	if err == nil {
		return reply{ID: question.ID, OK: told}
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", question.Op, err)
	failed := &failure{Message: err.Error()}
	var known *kerr.Error
	if errors.As(err, &known) {
		failed.Code = &known.Code
	}
	return reply{ID: question.ID, Error: failed}
}

// answer reads the arguments of an operation.
func answer[A any](ask func(context.Context, A) (any, error)) handler {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		return ask(ctx, args)
	}
}

// client opens a client that looks for new topics and partitions often enough for a test.
func (d *driver) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(d.bootstrap),
		kgo.ClientID("franz"),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(2 * time.Second),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	}, options...)...)
}

var features = []string{
	"produce", "consume", "listOffsets", "offsets", "headers", "nullHeaders", "timestamps", "tombstones", "nullKeys",
	"idempotent", "acks0", "transactions", "txnOffsets", "isolation", "largeMessages", "groups", "groupSeek", "static",
	"assignor:range", "assignor:roundrobin", "cooperative", "unknownTopic", "fetchLimit", "fetchWait",
	"validateOnly", "txnTimeout", "txnProcess",
	"codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd",
	"admin:createTopics", "admin:deleteTopics", "admin:listTopics", "admin:describeTopic", "admin:createPartitions",
	"admin:deleteRecords", "admin:describeConfigs", "admin:alterConfigs", "admin:incrementalAlterConfigs",
	"admin:listGroups", "admin:describeGroup", "admin:deleteGroups", "admin:groupOffsets", "admin:alterGroupOffsets",
	"admin:deleteGroupOffsets", "admin:describeCluster", "admin:describeLogDirs",
}

func (d *driver) hello(context.Context, json.RawMessage) (any, error) {
	version := "unknown"
	if built, ok := debug.ReadBuildInfo(); ok {
		for _, module := range built.Deps {
			if module.Path == "github.com/twmb/franz-go" {
				version = module.Version
			}
		}
	}
	return map[string]any{"client": "franz-go", "version": version, "features": features}, nil
}
