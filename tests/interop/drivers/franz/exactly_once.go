package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type processArgs struct {
	TransactionalID string `json:"transactionalId"`
	Group           string `json:"group"`
	From            string `json:"from"`
	To              string `json:"to"`
	IdleMs          int    `json:"idleMs"`
}

// process reads one topic and writes another, exactly once: kgo's session commits the offsets as the member it is, and
// aborts when the group was rebalanced meanwhile.
func (d *driver) process(_ context.Context, args processArgs) (any, error) {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(d.bootstrap),
		kgo.ClientID("franz"),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.TransactionalID(args.TransactionalID),
		kgo.ConsumerGroup(args.Group),
		kgo.ConsumeTopics(args.From),
		kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
	)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	processed := 0
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(args.IdleMs)*time.Millisecond)
		fetches := session.PollRecords(ctx, 10)
		cancel()
		if fetches.NumRecords() == 0 {
			return map[string]any{"processed": processed}, nil
		}
		count, err := transformed(session, fetches, args.To)
		if err != nil {
			return nil, err
		}
		processed += count
	}
}

// transformed answers how many records went to their topic in one transaction: all, or none where it was aborted.
func transformed(session *kgo.GroupTransactSession, fetches kgo.Fetches, to string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := session.Begin(); err != nil {
		return 0, err
	}
	sent := kgo.AbortingFirstErrPromise(session.Client())
	fetches.EachRecord(func(r *kgo.Record) {
		made := &kgo.Record{Topic: to, Key: r.Key, Value: append(append([]byte{}, r.Value...), '!')}
		session.Produce(ctx, made, sent.Promise())
	})
	committed, err := session.End(ctx, kgo.TransactionEndTry(sent.Err() == nil))
	if err != nil || !committed {
		return 0, err
	}
	return fetches.NumRecords(), nil
}
