package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is a consumer of a group that polls in the background.
type member struct {
	client *kgo.Client
	stop   context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	assigned map[topicPartition]bool
	records  []readRecord
	next     map[topicPartition]kgo.EpochOffset // after what it returned
}

type joinArgs struct {
	Member           string   `json:"member"`
	Group            string   `json:"group"`
	Topics           []string `json:"topics"`
	Assignor         string   `json:"assignor"`
	InstanceID       string   `json:"instanceId"`
	SessionTimeoutMs int      `json:"sessionTimeoutMs"`
	AutoCommit       bool     `json:"autoCommit"`
	From             string   `json:"from"`
}

func (d *driver) join(_ context.Context, args joinArgs) (any, error) {
	ctx, stop := context.WithCancel(context.Background())
	m := &member{
		stop:     stop,
		ended:    make(chan struct{}),
		assigned: map[topicPartition]bool{},
		next:     map[topicPartition]kgo.EpochOffset{},
	}
	client, err := d.client(m.options(args)...)
	if err != nil {
		stop()
		return nil, err
	}
	m.client = client
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members[args.Member] = m
	go m.poll(ctx)
	return done{}, nil
}

func (m *member) options(args joinArgs) []kgo.Opt {
	options := []kgo.Opt{
		kgo.ConsumerGroup(args.Group),
		kgo.ConsumeTopics(args.Topics...),
		kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.assign(partitions, true)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.assign(partitions, false)
		}),
	}
	balancers := map[string]kgo.GroupBalancer{
		"range":              kgo.RangeBalancer(),
		"roundrobin":         kgo.RoundRobinBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}
	if balancer, ok := balancers[args.Assignor]; ok {
		options = append(options, kgo.Balancers(balancer))
	}
	if args.InstanceID != "" {
		options = append(options, kgo.InstanceID(args.InstanceID))
	}
	if args.SessionTimeoutMs > 0 {
		options = append(options, kgo.SessionTimeout(time.Duration(args.SessionTimeoutMs)*time.Millisecond))
	}
	if !args.AutoCommit {
		options = append(options, kgo.DisableAutoCommit())
	}
	if args.From == "latest" {
		options = append(options, kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()))
	}
	return options
}

func (m *member) assign(partitions map[string][]int32, has bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			partition := topicPartition{topic, number}
			// What another member reads in between is its to commit.
			delete(m.next, partition)
			if has {
				m.assigned[partition] = true
			} else {
				delete(m.assigned, partition)
			}
		}
	}
}

func (m *member) poll(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			if !errors.Is(failed.Err, context.Canceled) && !errors.Is(failed.Err, kgo.ErrClientClosed) {
				fmt.Fprintf(os.Stderr, "poll: %v\n", failed.Err)
			}
		}
		m.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			m.records = append(m.records, fromKafka(r))
			m.next[topicPartition{r.Topic, r.Partition}] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
		})
		m.mu.Unlock()
	}
}

// end leaves the group, unless the member is a static one, which its session keeps.
func (m *member) end() {
	m.stop()
	<-m.ended
	m.client.Close()
}

type memberArgs struct {
	Member    string `json:"member"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

func (d *driver) member(name string) (*member, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m, ok := d.members[name]; ok {
		return m, nil
	}
	return nil, fmt.Errorf("there is no member %s", name)
}

func (d *driver) state(_ context.Context, args memberArgs) (any, error) {
	m, err := d.member(args.Member)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	assigned := []topicPartition{}
	for partition := range m.assigned {
		assigned = append(assigned, partition)
	}
	return map[string]any{"assigned": assigned, "records": append([]readRecord{}, m.records...)}, nil
}

func (d *driver) commit(ctx context.Context, args memberArgs) (any, error) {
	m, err := d.member(args.Member)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for partition, offset := range m.next {
		if offsets[partition.Topic] == nil {
			offsets[partition.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[partition.Topic][partition.Partition] = offset
	}
	m.mu.Unlock()
	return done{}, commitOffsets(ctx, m.client, offsets)
}

// commitOffsets resolves with the first error of a partition.
func commitOffsets(ctx context.Context, client *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) error {
	var failed error
	client.CommitOffsetsSync(ctx, offsets, func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error,
	) {
		if failed = err; failed != nil || answer == nil {
			return
		}
		for _, topic := range answer.Topics {
			for _, partition := range topic.Partitions {
				if failed == nil {
					failed = kerr.ErrorForCode(partition.ErrorCode)
				}
			}
		}
	})
	return failed
}

func (d *driver) seek(_ context.Context, args memberArgs) (any, error) {
	m, err := d.member(args.Member)
	if err != nil {
		return nil, err
	}
	m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{
		args.Topic: {args.Partition: {Epoch: -1, Offset: args.Offset}},
	})
	return done{}, nil
}

func (d *driver) leave(_ context.Context, args memberArgs) (any, error) {
	m, err := d.member(args.Member)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	delete(d.members, args.Member)
	d.mu.Unlock()
	m.end()
	return done{}, nil
}
