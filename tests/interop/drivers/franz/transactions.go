package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// transaction is a transactional producer.
type transaction struct {
	client *kgo.Client
	id     string
	// Whether records, or only offsets, are in the open transaction: kgo ends one by itself only where it sent records.
	sent, offsets bool
}

type transactionArgs struct {
	Handle          string        `json:"handle"`
	TransactionalID string        `json:"transactionalId"`
	TimeoutMs       int           `json:"timeoutMs"`
	Topic           string        `json:"topic"`
	Records         []newRecord   `json:"records"`
	Group           string        `json:"group"`
	Offsets         []topicOffset `json:"offsets"`
}

func (d *driver) transaction(handle string) (*transaction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.transactions[handle]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("there is no transactional producer %s", handle)
}

func (d *driver) openTransaction(ctx context.Context, args transactionArgs) (any, error) {
	options := []kgo.Opt{
		choosePartition(),
		kgo.TransactionalID(args.TransactionalID),
		// Later versions give a new epoch with each end, which kgo does not learn from an end that is asked for by hand.
		kgo.MaxVersions(kversion.V3_9_0()),
	}
	if args.TimeoutMs > 0 {
		options = append(options, kgo.TransactionTimeout(time.Duration(args.TimeoutMs)*time.Millisecond))
	}
	client, err := d.client(options...)
	if err != nil {
		return nil, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil { // else it would be asked for with the first record
		client.Close()
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.transactions[args.Handle] = &transaction{client: client, id: args.TransactionalID}
	return done{}, nil
}

func (d *driver) beginTransaction(_ context.Context, args transactionArgs) (any, error) {
	t, err := d.transaction(args.Handle)
	if err != nil {
		return nil, err
	}
	t.sent, t.offsets = false, false
	return done{}, t.client.BeginTransaction()
}

func (d *driver) sendInTransaction(ctx context.Context, args transactionArgs) (any, error) {
	t, err := d.transaction(args.Handle)
	if err != nil {
		return nil, err
	}
	t.sent = true
	return send(ctx, t.client, args.Topic, args.Records)
}

// sendOffsets asks by hand: kgo itself adds only what its own group session consumed.
func (d *driver) sendOffsets(ctx context.Context, args transactionArgs) (any, error) {
	t, err := d.transaction(args.Handle)
	if err != nil {
		return nil, err
	}
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return nil, err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.id, id, epoch, args.Group
	if err := untilEnded(ctx, func() (int16, error) {
		added, err := add.RequestWith(ctx, t.client)
		if err != nil {
			return 0, err
		}
		return added.ErrorCode, nil
	}); err != nil {
		return nil, err
	}
	t.offsets = true
	return t.commitOffsets(ctx, args, id, epoch)
}

// untilEnded asks again while the transaction before is still being ended, as kgo itself does.
func untilEnded(ctx context.Context, ask func() (int16, error)) error {
	for {
		code, err := ask()
		if err != nil {
			return err
		}
		if code != kerr.ConcurrentTransactions.Code {
			return kerr.ErrorForCode(code)
		}
		select {
		case <-ctx.Done():
			return kerr.ConcurrentTransactions
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (t *transaction) commitOffsets(
	ctx context.Context, args transactionArgs, id int64, epoch int16,
) (any, error) {
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.Group, commit.ProducerID, commit.ProducerEpoch = t.id, args.Group, id, epoch
	for _, offset := range args.Offsets {
		partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset = offset.Partition, offset.Offset
		topic := kmsg.NewTxnOffsetCommitRequestTopic()
		topic.Topic = offset.Topic
		topic.Partitions = append(topic.Partitions, partition)
		commit.Topics = append(commit.Topics, topic)
	}
	committed, err := commit.RequestWith(ctx, t.client)
	if err != nil {
		return nil, err
	}
	for _, topic := range committed.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return nil, err
			}
		}
	}
	return done{}, nil
}

func (d *driver) commitTransaction(ctx context.Context, args transactionArgs) (any, error) {
	return d.endTransaction(ctx, args.Handle, kgo.TryCommit)
}

func (d *driver) abortTransaction(ctx context.Context, args transactionArgs) (any, error) {
	return d.endTransaction(ctx, args.Handle, kgo.TryAbort)
}

func (d *driver) endTransaction(ctx context.Context, handle string, how kgo.TransactionEndTry) (any, error) {
	t, err := d.transaction(handle)
	if err != nil {
		return nil, err
	}
	if t.offsets && !t.sent {
		id, epoch, err := t.client.ProducerID(ctx)
		if err != nil {
			return nil, err
		}
		end := kmsg.NewPtrEndTxnRequest()
		end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = t.id, id, epoch, bool(how)
		ended, err := end.RequestWith(ctx, t.client)
		if err != nil {
			return nil, err
		}
		if err := kerr.ErrorForCode(ended.ErrorCode); err != nil {
			return nil, err
		}
	}
	return done{}, t.client.EndTransaction(ctx, how)
}

func (d *driver) closeTransaction(_ context.Context, args transactionArgs) (any, error) {
	t, err := d.transaction(args.Handle)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	delete(d.transactions, args.Handle)
	d.mu.Unlock()
	t.client.Close()
	return done{}, nil
}
