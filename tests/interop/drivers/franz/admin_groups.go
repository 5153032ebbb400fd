package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
)

type groupArgs struct {
	Group      string        `json:"group"`
	Groups     []string      `json:"groups"`
	Topic      string        `json:"topic"`
	Partitions []int32       `json:"partitions"`
	Offsets    []topicOffset `json:"offsets"`
}

func listGroups(ctx context.Context, admin *kadm.Client, _ groupArgs) (any, error) {
	listed, err := admin.ListGroups(ctx)
	groups := []map[string]string{}
	for _, each := range listed.Sorted() {
		groups = append(groups, map[string]string{"group": each.Group, "state": each.State})
	}
	return map[string]any{"groups": groups}, err
}

type describedMember struct {
	MemberID string           `json:"memberId"`
	ClientID string           `json:"clientId"`
	Assigned []topicPartition `json:"assigned"`
}

func describeGroup(ctx context.Context, admin *kadm.Client, args groupArgs) (any, error) {
	groups, err := admin.DescribeGroups(ctx, args.Group)
	if err := first(err, groups.Error()); err != nil {
		return nil, err
	}
	group := groups[args.Group]
	members := []describedMember{}
	for _, each := range group.Members {
		made := describedMember{each.MemberID, each.ClientID, []topicPartition{}}
		if assignment, ok := each.Assigned.AsConsumer(); ok {
			for _, topic := range assignment.Topics {
				for _, partition := range topic.Partitions {
					made.Assigned = append(made.Assigned, topicPartition{topic.Topic, partition})
				}
			}
		}
		members = append(members, made)
	}
	return map[string]any{"state": group.State, "protocol": group.Protocol, "members": members}, nil
}

func deleteGroups(ctx context.Context, admin *kadm.Client, args groupArgs) (any, error) {
	deleted, err := admin.DeleteGroups(ctx, args.Groups...)
	return done{}, first(err, deleted.Error())
}

type committedOffset struct {
	topicOffset
	Metadata string `json:"metadata"`
}

func groupOffsets(ctx context.Context, admin *kadm.Client, args groupArgs) (any, error) {
	fetched, err := admin.FetchOffsets(ctx, args.Group)
	if err := first(err, fetched.Error()); err != nil {
		return nil, err
	}
	offsets := []committedOffset{}
	for _, partition := range args.Partitions {
		if found, ok := fetched.Lookup(args.Topic, partition); ok {
			offsets = append(offsets, committedOffset{topicOffset{args.Topic, partition, found.At}, found.Metadata})
		}
	}
	return map[string]any{"offsets": offsets}, nil
}

func alterGroupOffsets(ctx context.Context, admin *kadm.Client, args groupArgs) (any, error) {
	offsets := kadm.Offsets{}
	for _, each := range args.Offsets {
		offsets.AddOffset(each.Topic, each.Partition, each.Offset, -1)
	}
	committed, err := admin.CommitOffsets(ctx, args.Group, offsets)
	return done{}, first(err, committed.Error())
}

func deleteGroupOffsets(ctx context.Context, admin *kadm.Client, args groupArgs) (any, error) {
	topics := kadm.TopicsSet{}
	topics.Add(args.Topic, args.Partitions...)
	deleted, err := admin.DeleteOffsets(ctx, args.Group, topics)
	return done{}, first(err, deleted.Error())
}
