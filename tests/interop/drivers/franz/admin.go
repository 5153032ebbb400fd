package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
)

// administer runs an operation with an administrative client of its own.
func administer[A any](d *driver, ask func(context.Context, *kadm.Client, A) (any, error)) handler {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		client, err := d.client()
		if err != nil {
			return nil, err
		}
		defer client.Close()
		return ask(ctx, kadm.NewClient(client), args)
	}
}

// described adds the broker's message to its error, which stays known by its code.
func described(err error, message string) error {
	if err == nil || message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}

// first is the first error of a call and of its parts.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

type listOffsetsArgs struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	At        any    `json:"at"`
	Isolation string `json:"isolation"`
}

func listOffsets(ctx context.Context, admin *kadm.Client, args listOffsetsArgs) (any, error) {
	var listed kadm.ListedOffsets
	var err error
	switch at := args.At.(type) {
	case float64:
		listed, err = admin.ListOffsetsAfterMilli(ctx, int64(at), args.Topic)
	default:
		switch {
		case at == "earliest":
			listed, err = admin.ListStartOffsets(ctx, args.Topic)
		case args.Isolation == "read_committed":
			listed, err = admin.ListCommittedOffsets(ctx, args.Topic)
		default:
			listed, err = admin.ListEndOffsets(ctx, args.Topic)
		}
	}
	if err != nil {
		return nil, err
	}
	found, ok := listed.Lookup(args.Topic, args.Partition)
	if !ok {
		return nil, fmt.Errorf("no offset of %s/%d was told", args.Topic, args.Partition)
	}
	return map[string]any{"offset": found.Offset, "timestamp": found.Timestamp}, found.Err
}

type createTopicsArgs struct {
	Topics []struct {
		Name       string            `json:"name"`
		Partitions int32             `json:"partitions"`
		Configs    map[string]string `json:"configs"`
	} `json:"topics"`
	ValidateOnly bool `json:"validateOnly"`
}

func createTopics(ctx context.Context, admin *kadm.Client, args createTopicsArgs) (any, error) {
	create := admin.CreateTopics
	if args.ValidateOnly {
		create = admin.ValidateCreateTopics
	}
	for _, topic := range args.Topics {
		configs := map[string]*string{}
		for name, value := range topic.Configs {
			configs[name] = kadm.StringPtr(value)
		}
		created, err := create(ctx, topic.Partitions, 1, configs, topic.Name)
		if err != nil {
			return nil, err
		}
		for _, each := range created {
			if each.Err != nil {
				return nil, described(each.Err, each.ErrMessage)
			}
		}
	}
	return done{}, nil
}

type namesArgs struct {
	Names []string `json:"names"`
	Name  string   `json:"name"`
	Count int      `json:"count"`
}

func deleteTopics(ctx context.Context, admin *kadm.Client, args namesArgs) (any, error) {
	deleted, err := admin.DeleteTopics(ctx, args.Names...)
	return done{}, first(err, deleted.Error())
}

func listTopics(ctx context.Context, admin *kadm.Client, _ namesArgs) (any, error) {
	topics, err := admin.ListTopics(ctx)
	return map[string]any{"names": topics.Names()}, err
}

func describeTopic(ctx context.Context, admin *kadm.Client, args namesArgs) (any, error) {
	topics, err := admin.ListTopics(ctx, args.Name)
	if err := first(err, topics.Error()); err != nil {
		return nil, err
	}
	partitions := []map[string]int32{}
	for _, number := range topics[args.Name].Partitions.Numbers() {
		partitions = append(partitions, map[string]int32{"partition": number})
	}
	return map[string]any{"partitions": partitions, "id": topics[args.Name].ID.String()}, nil
}

func createPartitions(ctx context.Context, admin *kadm.Client, args namesArgs) (any, error) {
	created, err := admin.UpdatePartitions(ctx, args.Count, args.Name)
	if err != nil {
		return nil, err
	}
	return done{}, described(created[args.Name].Err, created[args.Name].ErrMessage)
}

type deleteRecordsArgs struct {
	Topic   string           `json:"topic"`
	Offsets map[string]int64 `json:"offsets"`
}

func deleteRecords(ctx context.Context, admin *kadm.Client, args deleteRecordsArgs) (any, error) {
	offsets := kadm.Offsets{}
	for name, offset := range args.Offsets {
		partition, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			return nil, err
		}
		offsets.AddOffset(args.Topic, int32(partition), offset, -1)
	}
	deleted, err := admin.DeleteRecords(ctx, offsets)
	if err := first(err, deleted.Error()); err != nil {
		return nil, err
	}
	low := map[string]int64{}
	for partition, each := range deleted[args.Topic] {
		low[strconv.Itoa(int(partition))] = each.LowWatermark
	}
	return map[string]any{"low": low}, nil
}

type configsArgs struct {
	Topic    string            `json:"topic"`
	Set      map[string]string `json:"set"`
	Delete   []string          `json:"delete"`
	Append   map[string]string `json:"append"`
	Subtract map[string]string `json:"subtract"`
}

func describeConfigs(ctx context.Context, admin *kadm.Client, args configsArgs) (any, error) {
	resources, err := admin.DescribeTopicConfigs(ctx, args.Topic)
	if err != nil {
		return nil, err
	}
	configs := map[string]*string{}
	for _, resource := range resources {
		if resource.Err != nil {
			return nil, described(resource.Err, resource.ErrMessage)
		}
		for _, config := range resource.Configs {
			configs[config.Key] = config.Value
		}
	}
	return map[string]any{"configs": configs}, nil
}

func alterations(op kadm.IncrementalOp, values map[string]string) []kadm.AlterConfig {
	made := []kadm.AlterConfig{}
	for name, value := range values {
		made = append(made, kadm.AlterConfig{Op: op, Name: name, Value: kadm.StringPtr(value)})
	}
	return made
}

func altered(responses kadm.AlterConfigsResponses, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	for _, each := range responses {
		if each.Err != nil {
			return nil, described(each.Err, each.ErrMessage)
		}
	}
	return done{}, nil
}

func alterConfigs(ctx context.Context, admin *kadm.Client, args configsArgs) (any, error) {
	return altered(admin.AlterTopicConfigsState(ctx, alterations(kadm.SetConfig, args.Set), args.Topic))
}

func incrementalAlterConfigs(ctx context.Context, admin *kadm.Client, args configsArgs) (any, error) {
	changes := alterations(kadm.SetConfig, args.Set)
	for _, name := range args.Delete {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: name})
	}
	changes = append(changes, alterations(kadm.AppendConfig, args.Append)...)
	changes = append(changes, alterations(kadm.SubtractConfig, args.Subtract)...)
	return altered(admin.AlterTopicConfigs(ctx, changes, args.Topic))
}

func describeCluster(ctx context.Context, admin *kadm.Client, _ namesArgs) (any, error) {
	metadata, err := admin.BrokerMetadata(ctx)
	return map[string]any{"clusterId": metadata.Cluster, "brokers": len(metadata.Brokers)}, err
}

func describeLogDirs(ctx context.Context, admin *kadm.Client, args configsArgs) (any, error) {
	topics, err := admin.ListTopics(ctx, args.Topic)
	if err := first(err, topics.Error()); err != nil {
		return nil, err
	}
	brokers, err := admin.DescribeAllLogDirs(ctx, topics.TopicsSet())
	if err != nil {
		return nil, err
	}
	var bytes int64
	for _, folders := range brokers {
		if err := folders.Error(); err != nil {
			return nil, err
		}
		bytes += folders.Size()
	}
	return map[string]any{"bytes": bytes}, nil
}
