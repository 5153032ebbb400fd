package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Values longer than this are told by their length.
const longestValue = 1000

// value is a record's value: text, null or n times "x".
type value []byte

type repeated struct {
	Bytes int `json:"bytes"`
}

func (v *value) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*v = nil
		return nil
	}
	if text[0] == '"' {
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		*v = []byte(s)
		return nil
	}
	var r repeated
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	*v = bytes.Repeat([]byte("x"), r.Bytes)
	return nil
}

func (v value) MarshalJSON() ([]byte, error) {
	switch {
	case v == nil:
		return []byte("null"), nil
	case len(v) > longestValue:
		return json.Marshal(repeated{len(v)})
	default:
		return json.Marshal(string(v))
	}
}

type newRecord struct {
	Partition *int32       `json:"partition"`
	Key       *string      `json:"key"`
	Value     value        `json:"value"`
	Headers   [][2]*string `json:"headers"`
	Timestamp *int64       `json:"timestamp"`
}

type place struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

type readRecord struct {
	Partition int32        `json:"partition"`
	Offset    int64        `json:"offset"`
	Key       *string      `json:"key"`
	Value     value        `json:"value"`
	Headers   [][2]*string `json:"headers"`
	Timestamp int64        `json:"timestamp"`
}

type topicPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

type topicOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

func toKafka(topic string, records []newRecord) []*kgo.Record {
	made := make([]*kgo.Record, len(records))
	for i, r := range records {
		record := &kgo.Record{Topic: topic, Value: r.Value, Partition: anyPartition}
		if r.Partition != nil {
			record.Partition = *r.Partition
		}
		if r.Key != nil {
			record.Key = []byte(*r.Key)
		}
		if r.Timestamp != nil {
			record.Timestamp = time.UnixMilli(*r.Timestamp)
		}
		for _, header := range r.Headers {
			h := kgo.RecordHeader{Key: *header[0]}
			if header[1] != nil {
				h.Value = []byte(*header[1])
			}
			record.Headers = append(record.Headers, h)
		}
		made[i] = record
	}
	return made
}

func fromKafka(r *kgo.Record) readRecord {
	headers := make([][2]*string, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = [2]*string{&h.Key, text(h.Value)}
	}
	return readRecord{r.Partition, r.Offset, text(r.Key), r.Value, headers, r.Timestamp.UnixMilli()}
}

// Partition of a record whose sender leaves the choice to the library.
const anyPartition = -1

// partitioner puts a record where its sender says, and else where the library's default does.
type partitioner struct{ kgo.Partitioner }

type topicPartitioner struct{ kgo.TopicPartitioner }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.Partitioner.ForTopic(topic)}
}

func (p topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition != anyPartition || p.TopicPartitioner.RequiresConsistency(r)
}

func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition != anyPartition {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

func choosePartition() kgo.Opt {
	return kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)})
}

// send resolves when every record was answered.
func send(ctx context.Context, client *kgo.Client, topic string, records []newRecord) (any, error) {
	results := client.ProduceSync(ctx, toKafka(topic, records)...)
	if err := results.FirstErr(); err != nil {
		return nil, err
	}
	places := make([]place, len(results))
	for i, result := range results {
		places[i] = place{result.Record.Partition, result.Record.Offset}
	}
	return map[string]any{"records": places}, nil
}

type produceArgs struct {
	Topic           string      `json:"topic"`
	Records         []newRecord `json:"records"`
	Codec           string      `json:"codec"`
	Idempotent      *bool       `json:"idempotent"`
	Acks            *int        `json:"acks"`
	MaxRequestBytes int32       `json:"maxRequestBytes"`
}

func (d *driver) produce(ctx context.Context, args produceArgs) (any, error) {
	options := []kgo.Opt{choosePartition()}
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	if codec, ok := codecs[args.Codec]; ok {
		options = append(options, kgo.ProducerBatchCompression(codec))
	} else if args.Codec != "" {
		return nil, fmt.Errorf("there is no codec %s", args.Codec)
	}
	if args.Acks != nil && *args.Acks != -1 {
		acks := map[int]kgo.Acks{0: kgo.NoAck(), 1: kgo.LeaderAck()}[*args.Acks]
		options = append(options, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite())
	} else if args.Idempotent != nil && !*args.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	if args.MaxRequestBytes > 0 {
		options = append(options,
			kgo.ProducerBatchMaxBytes(args.MaxRequestBytes), kgo.BrokerMaxWriteBytes(2*args.MaxRequestBytes))
	}
	client, err := d.client(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return send(ctx, client, args.Topic, args.Records)
}

// startAt reads a position: an offset or a name.
func startAt(position any) (kgo.Offset, error) {
	switch at := position.(type) {
	case float64:
		return kgo.NewOffset().At(int64(at)), nil
	case string:
		if at == "earliest" {
			return kgo.NewOffset().AtStart(), nil
		}
	}
	return kgo.Offset{}, fmt.Errorf("there is no position %v", position)
}

type consumeArgs struct {
	Topic         string         `json:"topic"`
	Positions     map[string]any `json:"positions"`
	Count         int            `json:"count"`
	TimeoutMs     int            `json:"timeoutMs"`
	Isolation     string         `json:"isolation"`
	AutoReset     string         `json:"autoReset"`
	MaxFetchBytes int32          `json:"maxFetchBytes"`
	MaxWaitMs     int            `json:"maxWaitMs"`
}

func (d *driver) consume(_ context.Context, args consumeArgs) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(args.TimeoutMs)*time.Millisecond)
	defer cancel()
	client, err := d.client(consumeOptions(args)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	partitions, err := startOffsets(args.Positions)
	if err != nil {
		return nil, err
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{args.Topic: partitions})
	records := []readRecord{}
	for len(records) < args.Count && ctx.Err() == nil {
		fetches := client.PollRecords(ctx, args.Count-len(records))
		for _, failed := range fetches.Errors() {
			if ctx.Err() == nil {
				return nil, failed.Err
			}
		}
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, fromKafka(r)) })
	}
	return map[string]any{"records": records}, nil
}

func startOffsets(positions map[string]any) (map[int32]kgo.Offset, error) {
	offsets := map[int32]kgo.Offset{}
	for _, name := range slices.Sorted(maps.Keys(positions)) {
		partition, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			return nil, err
		}
		if offsets[int32(partition)], err = startAt(positions[name]); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

func consumeOptions(args consumeArgs) []kgo.Opt {
	options := []kgo.Opt{kgo.FetchMaxWait(500 * time.Millisecond)}
	if args.MaxWaitMs > 0 {
		options = append(options, kgo.FetchMaxWait(time.Duration(args.MaxWaitMs)*time.Millisecond))
	}
	if args.Isolation == "read_committed" {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	switch args.AutoReset {
	case "earliest":
		options = append(options, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	case "latest":
		options = append(options, kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	case "none":
		options = append(options, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	}
	if args.MaxFetchBytes > 0 {
		options = append(options,
			kgo.FetchMaxBytes(args.MaxFetchBytes), kgo.FetchMaxPartitionBytes(args.MaxFetchBytes))
	}
	return options
}
