/** The fields of every request and answer of Kafka's protocol that this broker is to serve, as data.
 *
 * From the message definitions of Apache Kafka 4.3.1. Notation: `name type`; `{5+}`, `{-4}`, `{2-7}`: only in those
 * versions; `[ … ]` an array of structs, `( … )` one struct, `[i32]` an array; `?` nullable (`?{2+}`: from there on);
 * `=x` default; `tagN` sits in the tagged fields. What a flexible version changes is known to codec.ts.
 * Left out: everything about when a field means what.
 * @see {@link https://kafka.apache.org/protocol#protocol_messages} @module */

/** One API as the notation tells it. */
export interface ApiNotation {
  readonly key: number;
  readonly name: string;
  readonly versions: readonly [min: number, max: number];
  /** First version in the flexible encoding; Infinity for none. */
  readonly flexibleFrom: number;
  readonly request: string;
  readonly response: string;
}

/** All of them, by key. */
export const notations: readonly ApiNotation[] = [
  {
    key: 0,
    name: "Produce",
    versions: [3, 11],
    flexibleFrom: 9,
    request: `transactionalId str?=null, acks i16, timeoutMs i32, topicData [ name str, partitionData [ index
      i32, records records? ] ]`,
    response: `responses [ name str, partitionResponses [ index i32, errorCode i16, baseOffset i64,
      logAppendTimeMs i64=-1, logStartOffset{5+} i64=-1, recordErrors{8+} [ batchIndex i32,
      batchIndexErrorMessage str?=null ], errorMessage{8+} str?=null, currentLeader{10+} ( leaderId
      i32=-1, leaderEpoch i32=-1 ) tag0 ] ], throttleTimeMs i32, nodeEndpoints{10+} [ nodeId i32, host
      str, port i32, rack str?=null ] tag0`,
  },
  {
    key: 1,
    name: "Fetch",
    versions: [4, 13],
    flexibleFrom: 12,
    request: `clusterId{12+} str?=null tag0, replicaId i32=-1, maxWaitMs i32, minBytes i32, maxBytes
      i32=0x7fffffff, isolationLevel i8, sessionId{7+} i32, sessionEpoch{7+} i32=-1, topics [
      topic{-12} str, topicId{13+} uuid, partitions [ partition i32, currentLeaderEpoch{9+} i32=-1,
      fetchOffset i64, lastFetchedEpoch{12+} i32=-1, logStartOffset{5+} i64=-1, partitionMaxBytes i32
      ] ], forgottenTopicsData{7+} [ topic{-12} str, topicId{13+} uuid, partitions [i32] ],
      rackId{11+} str`,
    response: `throttleTimeMs i32, errorCode{7+} i16, sessionId{7+} i32, responses [ topic{-12} str,
      topicId{13+} uuid, partitions [ partitionIndex i32, errorCode i16, highWatermark i64,
      lastStableOffset i64=-1, logStartOffset{5+} i64=-1, divergingEpoch{12+} ( epoch i32=-1,
      endOffset i64=-1 ) tag0, currentLeader{12+} ( leaderId i32=-1, leaderEpoch i32=-1 ) tag1,
      snapshotId{12+} ( endOffset i64=-1, epoch i32=-1 ) tag2, abortedTransactions [ producerId i64,
      firstOffset i64 ]?, preferredReadReplica{11+} i32=-1, records records? ] ]`,
  },
  {
    key: 2,
    name: "ListOffsets",
    versions: [1, 7],
    flexibleFrom: 6,
    request: `replicaId i32, isolationLevel{2+} i8, topics [ name str, partitions [ partitionIndex i32,
      currentLeaderEpoch{4+} i32=-1, timestamp i64 ] ]`,
    response: `throttleTimeMs{2+} i32, topics [ name str, partitions [ partitionIndex i32, errorCode i16,
      timestamp i64=-1, offset i64=-1, leaderEpoch{4+} i32=-1 ] ]`,
  },
  {
    key: 3,
    name: "Metadata",
    versions: [0, 12],
    flexibleFrom: 9,
    request: `topics [ topicId{10+} uuid, name str?{10+} ]?{1+}, allowAutoTopicCreation{4+} bool=true,
      includeClusterAuthorizedOperations{8-10} bool, includeTopicAuthorizedOperations{8+} bool`,
    response: `throttleTimeMs{3+} i32, brokers [ nodeId i32, host str, port i32, rack{1+} str?=null ],
      clusterId{2+} str?=null, controllerId{1+} i32=-1, topics [ errorCode i16, name str?{12+},
      topicId{10+} uuid, isInternal{1+} bool, partitions [ errorCode i16, partitionIndex i32, leaderId
      i32, leaderEpoch{7+} i32=-1, replicaNodes [i32], isrNodes [i32], offlineReplicas{5+} [i32] ],
      topicAuthorizedOperations{8+} i32=-2147483648 ], clusterAuthorizedOperations{8-10}
      i32=-2147483648`,
  },
  {
    key: 8,
    name: "OffsetCommit",
    versions: [2, 8],
    flexibleFrom: 8,
    request: `groupId str, generationIdOrMemberEpoch i32=-1, memberId str, groupInstanceId{7+} str?=null,
      retentionTimeMs{-4} i64=-1, topics [ name str, partitions [ partitionIndex i32, committedOffset
      i64, committedLeaderEpoch{6+} i32=-1, committedMetadata str? ] ]`,
    response: `throttleTimeMs{3+} i32, topics [ name str, partitions [ partitionIndex i32, errorCode i16 ] ]`,
  },
  {
    key: 9,
    name: "OffsetFetch",
    versions: [1, 8],
    flexibleFrom: 6,
    request: `groupId{-7} str, topics{-7} [ name str, partitionIndexes [i32] ]?{2+}, groups{8+} [ groupId str,
      topics [ name str, partitionIndexes [i32] ]? ], requireStable{7+} bool`,
    response: `throttleTimeMs{3+} i32, topics{-7} [ name str, partitions [ partitionIndex i32, committedOffset
      i64, committedLeaderEpoch{5+} i32=-1, metadata str?, errorCode i16 ] ], errorCode{2-7} i16,
      groups{8+} [ groupId str, topics [ name str, partitions [ partitionIndex i32, committedOffset
      i64, committedLeaderEpoch i32=-1, metadata str?, errorCode i16 ] ], errorCode i16 ]`,
  },
  {
    key: 10,
    name: "FindCoordinator",
    versions: [0, 4],
    flexibleFrom: 3,
    request: `key{-3} str, keyType{1+} i8, coordinatorKeys{4+} [str]`,
    response:
      `throttleTimeMs{1+} i32, errorCode{-3} i16, errorMessage{1-3} str?, nodeId{-3} i32, host{-3} str,
      port{-3} i32, coordinators{4+} [ key str, nodeId i32, host str, port i32, errorCode i16,
      errorMessage str? ]`,
  },
  {
    key: 11,
    name: "JoinGroup",
    versions: [0, 9],
    flexibleFrom: 6,
    request: `groupId str, sessionTimeoutMs i32, rebalanceTimeoutMs{1+} i32=-1, memberId str,
      groupInstanceId{5+} str?=null, protocolType str, protocols [ name str, metadata bytes ],
      reason{8+} str?=null`,
    response: `throttleTimeMs{2+} i32, errorCode i16, generationId i32=-1, protocolType{7+} str?=null,
      protocolName str?{7+}, leader str, skipAssignment{9+} bool, memberId str, members [ memberId
      str, groupInstanceId{5+} str?=null, metadata bytes ]`,
  },
  {
    key: 12,
    name: "Heartbeat",
    versions: [0, 4],
    flexibleFrom: 4,
    request: `groupId str, generationId i32, memberId str, groupInstanceId{3+} str?=null`,
    response: `throttleTimeMs{1+} i32, errorCode i16`,
  },
  {
    key: 13,
    name: "LeaveGroup",
    versions: [0, 5],
    flexibleFrom: 4,
    request: `groupId str, memberId{-2} str, members{3+} [ memberId str, groupInstanceId str?=null, reason{5+}
      str?=null ]`,
    response: `throttleTimeMs{1+} i32, errorCode i16, members{3+} [ memberId str, groupInstanceId str?,
      errorCode i16 ]`,
  },
  {
    key: 14,
    name: "SyncGroup",
    versions: [0, 5],
    flexibleFrom: 4,
    request: `groupId str, generationId i32, memberId str, groupInstanceId{3+} str?=null, protocolType{5+}
      str?=null, protocolName{5+} str?=null, assignments [ memberId str, assignment bytes ]`,
    response: `throttleTimeMs{1+} i32, errorCode i16, protocolType{5+} str?=null, protocolName{5+} str?=null,
      assignment bytes`,
  },
  {
    key: 15,
    name: "DescribeGroups",
    versions: [0, 5],
    flexibleFrom: 5,
    request: `groups [str], includeAuthorizedOperations{3+} bool`,
    response: `throttleTimeMs{1+} i32, groups [ errorCode i16, groupId str, groupState str, protocolType str,
      protocolData str, members [ memberId str, groupInstanceId{4+} str?=null, clientId str,
      clientHost str, memberMetadata bytes, memberAssignment bytes ], authorizedOperations{3+}
      i32=-2147483648 ]`,
  },
  {
    key: 16,
    name: "ListGroups",
    versions: [0, 5],
    flexibleFrom: 3,
    request: `statesFilter{4+} [str], typesFilter{5+} [str]`,
    response: `throttleTimeMs{1+} i32, errorCode i16, groups [ groupId str, protocolType str, groupState{4+}
      str, groupType{5+} str ]`,
  },
  {
    key: 17,
    name: "SaslHandshake",
    versions: [0, 1],
    flexibleFrom: Infinity,
    request: `mechanism str`,
    response: `errorCode i16, mechanisms [str]`,
  },
  {
    key: 18,
    name: "ApiVersions",
    versions: [0, 4],
    flexibleFrom: 3,
    request: `clientSoftwareName{3+} str, clientSoftwareVersion{3+} str`,
    response: `errorCode i16, apiKeys [ apiKey i16, minVersion i16, maxVersion i16 ], throttleTimeMs{1+} i32,
      supportedFeatures{3+} [ name str, minVersion i16, maxVersion i16 ] tag0,
      finalizedFeaturesEpoch{3+} i64=-1 tag1, finalizedFeatures{3+} [ name str, maxVersionLevel i16,
      minVersionLevel i16 ] tag2, zkMigrationReady{3+} bool tag3`,
  },
  {
    key: 19,
    name: "CreateTopics",
    versions: [2, 7],
    flexibleFrom: 5,
    request: `topics [ name str, numPartitions i32, replicationFactor i16, assignments [ partitionIndex i32,
      brokerIds [i32] ], configs [ name str, value str? ] ], timeoutMs i32=60000, validateOnly bool`,
    response: `throttleTimeMs i32, topics [ name str, topicId{7+} uuid, errorCode i16, errorMessage str?,
      topicConfigErrorCode{5+} i16 tag0, numPartitions{5+} i32=-1, replicationFactor{5+} i16=-1,
      configs{5+} [ name str, value str?, readOnly bool, configSource i8=-1, isSensitive bool ]? ]`,
  },
  {
    key: 20,
    name: "DeleteTopics",
    versions: [1, 6],
    flexibleFrom: 4,
    request: `topics{6+} [ name str?=null, topicId uuid ], topicNames{-5} [str], timeoutMs i32`,
    response:
      `throttleTimeMs i32, responses [ name str?{6+}, topicId{6+} uuid, errorCode i16, errorMessage{5+}
      str?=null ]`,
  },
  {
    key: 21,
    name: "DeleteRecords",
    versions: [0, 2],
    flexibleFrom: 2,
    request: `topics [ name str, partitions [ partitionIndex i32, offset i64 ] ], timeoutMs i32`,
    response: `throttleTimeMs i32, topics [ name str, partitions [ partitionIndex i32, lowWatermark i64,
      errorCode i16 ] ]`,
  },
  {
    key: 22,
    name: "InitProducerId",
    versions: [0, 4],
    flexibleFrom: 2,
    request:
      `transactionalId str?, transactionTimeoutMs i32, producerId{3+} i64=-1, producerEpoch{3+} i16=-1`,
    response: `throttleTimeMs i32, errorCode i16, producerId i64=-1, producerEpoch i16`,
  },
  {
    key: 23,
    name: "OffsetForLeaderEpoch",
    versions: [2, 4],
    flexibleFrom: 4,
    request: `replicaId{3+} i32=-2, topics [ topic str, partitions [ partition i32, currentLeaderEpoch i32=-1,
      leaderEpoch i32 ] ]`,
    response: `throttleTimeMs i32, topics [ topic str, partitions [ errorCode i16, partition i32, leaderEpoch
      i32=-1, endOffset i64=-1 ] ]`,
  },
  {
    key: 24,
    name: "AddPartitionsToTxn",
    versions: [0, 3],
    flexibleFrom: 3,
    request: `v3AndBelowTransactionalId str, v3AndBelowProducerId i64, v3AndBelowProducerEpoch i16,
      v3AndBelowTopics [ name str, partitions [i32] ]`,
    response: `throttleTimeMs i32, resultsByTopicV3AndBelow [ name str, resultsByPartition [ partitionIndex
      i32, partitionErrorCode i16 ] ]`,
  },
  {
    key: 25,
    name: "AddOffsetsToTxn",
    versions: [0, 3],
    flexibleFrom: 3,
    request: `transactionalId str, producerId i64, producerEpoch i16, groupId str`,
    response: `throttleTimeMs i32, errorCode i16`,
  },
  {
    key: 26,
    name: "EndTxn",
    versions: [0, 3],
    flexibleFrom: 3,
    request: `transactionalId str, producerId i64, producerEpoch i16, committed bool`,
    response: `throttleTimeMs i32, errorCode i16`,
  },
  {
    key: 28,
    name: "TxnOffsetCommit",
    versions: [0, 3],
    flexibleFrom: 3,
    request: `transactionalId str, groupId str, producerId i64, producerEpoch i16, generationId{3+} i32=-1,
      memberId{3+} str, groupInstanceId{3+} str?=null, topics [ name str, partitions [ partitionIndex
      i32, committedOffset i64, committedLeaderEpoch{2+} i32=-1, committedMetadata str? ] ]`,
    response: `throttleTimeMs i32, topics [ name str, partitions [ partitionIndex i32, errorCode i16 ] ]`,
  },
  {
    key: 32,
    name: "DescribeConfigs",
    versions: [1, 4],
    flexibleFrom: 4,
    request: `resources [ resourceType i8, resourceName str, configurationKeys [str]? ], includeSynonyms bool,
      includeDocumentation{3+} bool`,
    response: `throttleTimeMs i32, results [ errorCode i16, errorMessage str?, resourceType i8, resourceName
      str, configs [ name str, value str?, readOnly bool, configSource i8=-1, isSensitive bool,
      synonyms [ name str, value str?, source i8 ], configType{3+} i8, documentation{3+} str? ] ]`,
  },
  {
    key: 33,
    name: "AlterConfigs",
    versions: [0, 2],
    flexibleFrom: 2,
    request: `resources [ resourceType i8, resourceName str, configs [ name str, value str? ] ], validateOnly
      bool`,
    response: `throttleTimeMs i32, responses [ errorCode i16, errorMessage str?, resourceType i8, resourceName
      str ]`,
  },
  {
    key: 35,
    name: "DescribeLogDirs",
    versions: [1, 4],
    flexibleFrom: 2,
    request: `topics [ topic str, partitions [i32] ]?`,
    response: `throttleTimeMs i32, errorCode{3+} i16, results [ errorCode i16, logDir str, topics [ name str,
      partitions [ partitionIndex i32, partitionSize i64, offsetLag i64, isFutureKey bool ] ],
      totalBytes{4+} i64=-1, usableBytes{4+} i64=-1 ]`,
  },
  {
    key: 36,
    name: "SaslAuthenticate",
    versions: [0, 2],
    flexibleFrom: 2,
    request: `authBytes bytes`,
    response: `errorCode i16, errorMessage str?, authBytes bytes, sessionLifetimeMs{1+} i64`,
  },
  {
    key: 37,
    name: "CreatePartitions",
    versions: [0, 3],
    flexibleFrom: 2,
    request: `topics [ name str, count i32, assignments [ brokerIds [i32] ]? ], timeoutMs i32, validateOnly
      bool`,
    response: `throttleTimeMs i32, results [ name str, errorCode i16, errorMessage str?=null ]`,
  },
  {
    key: 42,
    name: "DeleteGroups",
    versions: [0, 2],
    flexibleFrom: 2,
    request: `groupsNames [str]`,
    response: `throttleTimeMs i32, results [ groupId str, errorCode i16 ]`,
  },
  {
    key: 44,
    name: "IncrementalAlterConfigs",
    versions: [0, 1],
    flexibleFrom: 1,
    request: `resources [ resourceType i8, resourceName str, configs [ name str, configOperation i8, value
      str? ] ], validateOnly bool`,
    response: `throttleTimeMs i32, responses [ errorCode i16, errorMessage str?, resourceType i8, resourceName
      str ]`,
  },
  {
    key: 47,
    name: "OffsetDelete",
    versions: [0, 0],
    flexibleFrom: Infinity,
    request: `groupId str, topics [ name str, partitions [ partitionIndex i32 ] ]`,
    response:
      `errorCode i16, throttleTimeMs i32, topics [ name str, partitions [ partitionIndex i32, errorCode
      i16 ] ]`,
  },
  {
    key: 50,
    name: "DescribeUserScramCredentials",
    versions: [0, 0],
    flexibleFrom: 0,
    request: `users [ name str ]?`,
    response: `throttleTimeMs i32, errorCode i16, errorMessage str?, results [ user str, errorCode i16,
      errorMessage str?, credentialInfos [ mechanism i8, iterations i32 ] ]`,
  },
  {
    key: 51,
    name: "AlterUserScramCredentials",
    versions: [0, 0],
    flexibleFrom: 0,
    request: `deletions [ name str, mechanism i8 ], upsertions [ name str, mechanism i8, iterations i32, salt
      bytes, saltedPassword bytes ]`,
    response: `throttleTimeMs i32, results [ user str, errorCode i16, errorMessage str? ]`,
  },
  {
    key: 60,
    name: "DescribeCluster",
    versions: [0, 1],
    flexibleFrom: 0,
    request: `includeClusterAuthorizedOperations bool, endpointType{1+} i8=1`,
    response:
      `throttleTimeMs i32, errorCode i16, errorMessage str?=null, endpointType{1+} i8=1, clusterId str,
      controllerId i32=-1, brokers [ brokerId i32, host str, port i32, rack str?=null ],
      clusterAuthorizedOperations i32=-2147483648`,
  },
];
