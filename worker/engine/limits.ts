/**
 * The one list of everything that is bounded in the engine and on the wire: value, unit, reason. A machine takes its
 * numbers from here and nowhere else; what a caller may change is an option that is checked against this list.
 */
export interface Limit {
  readonly value: number
  readonly unit: 'peers' | 'requests' | 'ms' | 'bytes' | 'entries' | 'queries' | 'messages' | 'addresses' | 'count'
  readonly reason: string
}

const limit = (value: number, unit: Limit['unit'], reason: string): Limit => ({ value, unit, reason })

export const limits = {
  // identities
  cachedPeersMax: limit(16_384, 'peers', 'hash each peer once; about 3 MB when full'),
  addressesPerPeerMax: limit(25, 'addresses', 'what libp2p dials at most; a longer list is cut'),

  // connections
  pendingDialsMax: limit(8, 'count', 'Chromium delays new WebSockets from the ninth pending one on (0.1 s, then seconds)'),
  maintenanceDialsMax: limit(
    2,
    'count',
    'of those for keeping the table fresh: the other places are for what a person waits for',
  ),
  queuedDialsMax: limit(256, 'count', 'peers that wait for a place to dial; more are refused at once'),
  dialTimeoutMs: limit(5_000, 'ms', 'a peer that has not answered a dial by then is not worth a place'),
  failedPeersMax: limit(4_096, 'peers', 'remembered failures to dial, for backoff'),
  dialLateMs: limit(
    2_000,
    'ms',
    'a dial that takes longer holds nothing up and gives its place to one that waits; five round trips of 350 ms fit',
  ),
  dialLateMinMs: limit(500, 'ms', 'floor of what is learned of that, where most dials are faster'),
  dialBackoffFirstMs: limit(10_000, 'ms', 'before a peer that could not be dialed is tried again; doubles with each failure'),
  dialBackoffMaxMs: limit(600_000, 'ms', 'no peer is written off for longer than a table refresh'),

  // resilience
  durationWindowMax: limit(128, 'entries', 'durations remembered for a percentile'),
  durationWindowMin: limit(16, 'entries', 'durations before a percentile is believed'),
  streamRetryMs: limit(1, 'ms', 'before a request whose stream was reset is sent again'),
  connectionRetryMs: limit(20, 'ms', 'before a peer whose connection broke is dialed again'),
  congestionRetryMs: limit(25, 'ms', 'before a dial that found the queue full is ordered again; doubles'),
  retryDelayMaxMs: limit(100, 'ms', 'ceiling of these three'),
  transientRetriesMax: limit(1, 'count', 'tries after a broken stream or connection, per peer and lookup'),
  congestionRetriesMax: limit(30, 'count', 'orders refused by a full queue before a lookup gives a peer up: three seconds'),

  // streams (host)
  kadStreamOpenTimeoutMs: limit(10_000, 'ms', 'as long as a request may take: the engine gives up before that'),
  bitswapStreamIdleMs: limit(8_000, 'ms', 'Helia resets a stream to it that was idle for 10 s; a new one costs nothing to open'),
  unfinishedFrameBytesMax: limit(16_777_216, 'bytes', 'frames under way from one peer, on all its streams: four of the largest'),
  bitswapSendTimeoutMs: limit(30_000, 'ms', 'for one message of up to 2 MiB to leave; a slower peer is not worth the memory'),
  offeredBlocksMax: limit(16, 'requests', 'blocks asked at once of a blockstore that the page offers: more are not found'),
  offeredBlockTimeoutMs: limit(2_000, 'ms', 'for the page to read one: our own wants wait for it too'),
  streamedBlocksMax: limit(32, 'count', 'wants of one stream of blocks at a time: 8 MiB of usual blocks'),
  bitswapInboundStreamsMax: limit(128, 'count', 'open at a time from one peer: boxo and Helia send each message on a new one'),

  // provider searches of Bitswap
  searchedProvidersMax: limit(10, 'peers', 'providers a Bitswap session asks the DHT for; boxo takes as many'),

  // wire: what may come in one message; the rest of a longer list is left out and counted
  frameBytesMax: limit(4_194_304, 'bytes', 'what Go sends and takes at most, on kad and on Bitswap streams'),
  kadRequestBytesMax: limit(65_536, 'bytes', 'a frame that asks us: a value record and one peer fit several times'),
  kadKeyBytesMax: limit(256, 'bytes', 'multihashes, peer ids and record keys; the longest of them has about 140'),
  providersKeyBytesMax: limit(80, 'bytes', 'Go refuses longer keys in GET_PROVIDERS and ADD_PROVIDER'),
  kadPeerBytesMax: limit(8_192, 'bytes', 'Go cuts a peer record there'),
  closerPeersMax: limit(40, 'peers', 'Go cuts a reply at 2k closer peers'),
  providersPerMessageMax: limit(512, 'peers', 'popular content has thousands of providers; nobody needs all of them'),
  addressBytesMax: limit(512, 'bytes', 'a relayed WebTransport address with two certificate hashes has about 250'),
  recordBytesMax: limit(16_384, 'bytes', 'an IPNS record has at most 10 KiB, and rust caps the frame at 16 KiB'),
  peerIdDigestBytesMax: limit(42, 'bytes', 'a public key is inlined up to this length (libp2p specs, peer-ids)'),
  cidBytesMax: limit(168, 'bytes', 'boxo refuses longer CIDs'),
  digestBytesMax: limit(128, 'bytes', 'boxo refuses longer digests'),
  digestBytesMin: limit(20, 'bytes', 'boxo refuses a hash cut shorter than this; identity is exempt'),
  blockBytesMax: limit(2_162_688, 'bytes', 'blocks of 2 MiB must work, with 64 KiB for what wraps them'),
  wantlistEntriesMax: limit(4_096, 'entries', 'four times what boxo keeps per peer'),
  blocksPerMessageMax: limit(1_024, 'entries', 'each block costs a hash'),
  presencesPerMessageMax: limit(4_096, 'entries', 'one for each entry of a longest wantlist'),

  // Bitswap: wants of the page
  wantsMax: limit(4_096, 'entries', 'wants of the page at once; a DAG is fetched a few hundred blocks ahead at most'),
  sessionsMax: limit(1_024, 'entries', 'open at once; wants of a session beyond that are refused'),
  sessionPeersMax: limit(64, 'peers', 'remembered by one session; those that delivered stay'),
  sessionMissesMax: limit(16, 'count', 'DONT_HAVEs in a row after which a session leaves a peer alone, as in boxo'),
  wantOverallTimeoutMs: limit(60_000, 'ms', 'a want without any block arriving in its sessions or from its peers ends'),
  probeTimeoutMs: limit(15_000, 'ms', 'for one peer to connect and to send one block, as the study of 2022 gave it'),
  notFoundGraceMs: limit(1_000, 'ms', 'for late answers and new connections, when nobody is left to ask'),
  blockLoadTimeoutMs: limit(5_000, 'ms', 'a store that does not answer must not keep a want from the network'),
  identifyGraceMs: limit(3_000, 'ms', 'after a connection, until the peer must have said that it speaks Bitswap'),
  wantPeersMax: limit(1_152, 'peers', 'that one want knows of: by broadcast, session and search'),
  wantProvidersMax: limit(64, 'peers', 'providers that one want knows of'),
  wantConnectionsMax: limit(4, 'peers', 'dialed at once for one want'),
  bitswapPendingConnectionsMax: limit(32, 'peers', 'dialed at once for all wants; more wait their turn'),
  wantDialsMax: limit(2, 'count', 'attempts to connect to one peer for one want'),
  blockAsksMax: limit(3, 'count', 'want-blocks to one peer for one CID: a HAVE without a block is not believed forever'),
  messageTriesMax: limit(2, 'count', 'messages to one peer that may fail for one want'),
  providerSearchesMax: limit(8, 'queries', 'DHT walks at once for all wants, as in boxo; more wait their turn'),
  providerSearchRoundsMax: limit(3, 'count', 'walks for one want, while providers turn out to have nothing'),
  providerSearchRestMs: limit(5_000, 'ms', 'before the second walk; doubles with each'),

  // Bitswap: who is asked, and how long we wait
  bitswapPeersMax: limit(2_048, 'peers', 'connected peers that Bitswap keeps state for'),
  broadcastStepFirst: limit(
    32,
    'peers',
    'asked at least in a step where none of them has served: as many as a Kubo keeps connected',
  ),
  broadcastDenialsMax: limit(10, 'peers', 'connected, up to which DONT_HAVEs are asked for: few, and a vain want ends sooner'),
  broadcastPeersMax: limit(1_024, 'peers', 'asked by broadcast for one want: in the end all of the 856 of the 2022 study'),
  broadcastStepMs: limit(
    300,
    'ms',
    'between steps, until it is known how long answers take; three quarters of first ones come within 200 ms (target C5)',
  ),
  broadcastStepMinMs: limit(50, 'ms', 'floor of what was learned: nobody is so near that it would be less'),
  broadcastStepMaxMs: limit(2_000, 'ms', 'ceiling of it'),
  peersPerSecond: limit(4, 'peers', 'asked in vain rather than wait a second longer (sim bitswap, the frontier)'),
  answerTimeoutDefaultMs: limit(2_000, 'ms', 'for a peer whose latency is unknown'),
  answerTimeoutMinMs: limit(50, 'ms', 'boxo clamps its DONT_HAVE timeout here'),
  answerTimeoutMaxMs: limit(7_000, 'ms', 'and there'),
  blockPatienceMs: limit(30_000, 'ms', 'for a block from a silent peer while nobody else may have it'),
  wantBlocksPerPeerMin: limit(4, 'entries', 'want-blocks in flight to one peer, however slow'),
  wantBlocksPerPeerMax: limit(64, 'entries', 'and however fast: 16 MiB of usual blocks'),
  pipelineMs: limit(1_000, 'ms', 'of work are in flight to one peer, between these two; a round trip is shorter'),

  // Bitswap: what is learned about whom to ask
  rankingWindowMs: limit(7_200_000, 'ms', 'in which a block served counts; two hours, as in the 2022 study'),
  rankedPeersMax: limit(512, 'peers', 'in one ranking; 361 peers served 98.5 % of all blocks there (target C4)'),
  rankingWarmWants: limit(24, 'count', 'wants that ranked peers could serve, before it is trusted who need not be asked'),
  leadersMax: limit(40, 'peers', 'that go first by a share of what was served, however little each of them has'),
  rankedDialsMax: limit(4, 'peers', 'ranked peers that one want has dialed because they are not connected'),
  unrankedAfterMs: limit(1_000, 'ms', 'for ranked peers and the DHT, before peers that never served are asked too'),
  contextsMax: limit(16, 'entries', 'contexts with a ranking of their own; the one used longest ago goes'),
  contextLengthMax: limit(64, 'count', 'UTF-16 units of the name of a context'),
  rankingPersistMs: limit(2_000, 'ms', 'after a change, until ranking and latencies are stored'),
  registryCidsMax: limit(
    8_192,
    'entries',
    'CIDs others were heard to want; 4 MB with one wanter each, 8 MB with eight (npm run bench)',
  ),
  registryCidsStoredMax: limit(2_048, 'entries', 'of those that are kept between visits: the latest'),
  registryPeersPerCidMax: limit(8, 'peers', 'latest wanters of one CID; the prototype kept ten and asked three'),
  registryBurst: limit(1_024, 'entries', 'wants of one peer listened to at once: a full wantlist'),
  registryPerSecond: limit(16, 'entries', 'and each second after that'),
  registryCacheTimeFirstMs: limit(3_600_000, 'ms', 'a peer is thought to keep a block at first; then it is learned'),
  registryCacheTimeMinMs: limit(60_000, 'ms', 'and it is never thought shorter'),
  registryCacheTimeMaxMs: limit(86_400_000, 'ms', 'nor longer'),
  registryPersistMs: limit(20_000, 'ms', 'after a change, until the registry is stored: it is large and changes all the time'),
  guessesMax: limit(4, 'peers', 'asked for a block at once because they wanted it; each but one may send it twice'),
  guessDeadlineMs: limit(400, 'ms', 'for a guess at a peer whose latency is unknown, before others are asked'),
  guessShareMin: limit(5, 'count', 'hits in a hundred below which guesses stop, but for a trial now and then'),
  guessDialsMax: limit(2, 'peers', 'candidates of the registry that one want has dialed because they are not connected'),
  whispersMax: limit(1, 'peers', 'asked want-have beside guesses: they hear what is wanted, so that registries stay fresh'),
  latencyWindowMs: limit(7_200_000, 'ms', 'in which latencies count for the search delay'),
  latencySamplesMax: limit(512, 'entries', 'latencies kept; the latest'),
  latencySamplesMin: limit(8, 'count', 'before a percentile says anything'),
  searchDelayFirstMs: limit(500, 'ms', 'until then, as the 2022 study proposes'),
  searchDelayMaxMs: limit(5_000, 'ms', 'a search is never put off longer'),

  // Bitswap: messages out, and answering others
  bitswapMessageBytesMax: limit(2_097_152, 'bytes', 'what boxo sends at most; a single block may be as large and goes alone'),
  answerBlocksBytesMax: limit(
    524_288,
    'bytes',
    'blocks in one message, unless a single one is larger: a slow peer takes that in time',
  ),
  wantsPerPeerMax: limit(1_024, 'entries', 'what boxo keeps per peer: we neither send nor accept more'),
  messageAnswerTimeoutMs: limit(35_000, 'ms', 'after the host itself should have given the message up'),
  messageRetryFirstMs: limit(250, 'ms', 'before the next message after a failed one; doubles'),
  messageFailuresMax: limit(3, 'count', 'failed messages in a row after which a peer counts as lost'),
  inlineBlockBytesMax: limit(1_024, 'bytes', 'a want-have is answered with the block itself up to here, as in boxo'),
  blockLoadsMax: limit(8, 'requests', 'blocks read from the store at once for other peers'),
  blockLoadsPerPeerMax: limit(2, 'requests', 'of those, for one peer'),
  answerBytesPerPeerMax: limit(4_194_304, 'bytes', 'blocks in memory on the way to one peer, before no more are read'),
  answerBytesMax: limit(67_108_864, 'bytes', 'the same for all peers'),
  recentBlocksMax: limit(1_024, 'entries', 'remembered to tell a duplicate from a block nobody wanted'),

  // host: transports
  rtcConnectionsMax: limit(
    128,
    'count',
    'open WebRTC connections; Chromium allows a tab about 500, the closed ones it has not collected among them',
  ),
  webTransportPendingMax: limit(
    16,
    'count',
    'WebTransport sessions being opened; Chromium throttles from 64 on, and stays slow for minutes after failures',
  ),
  dialStaggerMs: limit(250, 'ms', 'head start of the likeliest transport before the next is tried beside it (RFC 8305)'),
  relayStaggerMs: limit(
    3_000,
    'ms',
    'the same before a relayed connection, which WebRTC over that relay replaces within that time',
  ),
  rtcAgreementMs: limit(20_000, 'ms', 'ten round trips of a slow line and the search for candidates; until then a relay serves'),
  rtcAgreementsMax: limit(8, 'count', 'agreements on WebRTC that nobody waits for any more, beside a relayed connection'),
  transportMistrustFailures: limit(
    4,
    'count',
    'failures of a transport in a row, with whatever peers, after which the others go first',
  ),
  heldEventsMax: limit(32, 'messages', 'of a peer that is connected by a relay only, until WebRTC has been agreed on'),
  relayedRetireMs: limit(2_000, 'ms', 'a relayed connection stays beside the direct one that replaced it, for what is under way'),
  heartbeatMs: limit(10_000, 'ms', 'how often it is noticed that time has passed; hidden tabs may have timers once a minute'),
  sleepMs: limit(70_000, 'ms', 'a heartbeat later than that was a sleep, not the throttling of a hidden tab'),
  revivalSettleMs: limit(1_000, 'ms', 'after a sign of another network, until it is believed: they come in bursts'),
  revivalIntervalMs: limit(15_000, 'ms', 'between two revivals, however often the network flaps'),
  connectionProbesMax: limit(8, 'count', 'connections asked at once whether they still live'),
  connectionProbeTimeoutMs: limit(5_000, 'ms', 'a connection that has not answered by then is ended'),
  silenceMs: limit(5_000, 'ms', 'a peer that owes an answer and has said nothing for so long may be gone; doubles if it is not'),
  silenceMaxMs: limit(60_000, 'ms', 'ceiling of that, while somebody waits'),
  silentPeersMax: limit(256, 'peers', 'that owe an answer; more than are ever connected'),
  workedTransportsMax: limit(1_024, 'peers', 'remembered: which transport they were reached by'),

  // host: addresses and storage
  cachedAddressesMax: limit(8_192, 'addresses', 'parsed and judged once; about 4 MB when full'),
  storedTableEntriesMax: limit(2_048, 'entries', 'several times a full routing table; the least recently useful go first'),
  pendingWritesMax: limit(128, 'entries', 'routing-table writes and block uses that wait for one transaction'),
  writeBehindMs: limit(250, 'ms', 'how long such a write waits for company'),
  storageLockWaitMs: limit(1_500, 'ms', 'after a reload the old Worker may hold the storage name a moment longer'),
  storageOpenTimeoutMs: limit(5_000, 'ms', 'opening IndexedDB can hang in a browser; then the client goes on in memory'),
  memoryBlockBytesMax: limit(67_108_864, 'bytes', 'ceiling of the block store when it has only memory'),

  // Kademlia: routing table
  tableFailuresMax: limit(3, 'count', 'failures in a row after which an entry goes, if others have answered meanwhile'),
  tableLivenessGraceMs: limit(2_580_000, 'ms', 'an entry that has not answered for 43 min may be replaced (go-libp2p-kad-dht)'),
  tablePersistIntervalMs: limit(600_000, 'ms', 'an entry is written again at most once per table refresh'),
  tableGroupPerBucketMax: limit(2, 'peers', 'of one group of IP addresses in a bucket (go-libp2p-kbucket)'),
  tableGroupMax: limit(3, 'peers', 'of one group in the table'),
  replyGroupMax: limit(3, 'peers', 'of one group in a reply; a reply with more of them loses them all'),
  lowTablePeers: limit(10, 'peers', 'below that the table is repaired through the bootstrap peers (go-libp2p-kad-dht)'),
  deniedPeersMax: limit(1_024, 'peers', 'remembered as denied; the oldest is forgotten and denied again when dialed'),

  // Kademlia: lookup
  lookupDialsMax: limit(8, 'count', 'pending connections per lookup; more would only queue in the browser'),
  lookupDialsTotalMax: limit(16, 'count', 'with those that take so long that they no longer keep their place'),
  lookupDialOverdueMs: limit(1_000, 'ms', 'most dials that succeed have by then; others are dialed in its place'),
  lookupSlowAfterMs: limit(
    1_500,
    'ms',
    'a request that takes longer gives its place free and holds nothing up, whatever was learned',
  ),
  lookupSlowMinMs: limit(200, 'ms', 'floor of the learned time after which a request gives its place free'),
  lookupAnswerMinMs: limit(500, 'ms', 'floor of the learned time after which it holds nothing up'),
  lookupDialOverdueMinMs: limit(300, 'ms', 'floor of the learned time after which others are dialed in its place'),
  uselessPeersMax: limit(4_096, 'peers', 'that gave us nothing lately; about 0.5 MB when full'),
  uselessHalfLifeMs: limit(600_000, 'ms', 'after which it weighs half as much: a table refresh'),
  lookupSlowMax: limit(20, 'requests', 'slow requests per lookup; beyond it nothing new is asked until one settles'),
  lookupHeardMax: limit(256, 'peers', 'candidates of one lookup that may still be asked; the farthest go'),
  lookupUndialableMax: limit(256, 'peers', 'candidates of one lookup that cannot be dialed; apart, so that they displace nobody'),
  lookupAttemptsMax: limit(400, 'peers', 'peers that one lookup dials or asks at most, whatever liars say'),
  closerPeersPerBucket: limit(2, 'count', 'closer peers read from one answer, times k; the rest is cut (go-libp2p-kad-dht)'),

  // Kademlia: queries and requests
  kadRequestTimeoutMs: limit(10_000, 'ms', 'as on Amino; long before that a lookup has stopped waiting'),
  kadQueriesMax: limit(128, 'queries', 'at once; more are refused, so that those under way get on'),
  kadRunningQueriesMax: limit(
    32,
    'queries',
    'of all kinds that search at once: eight dials are shared by them; more wait their turn',
  ),
  kadMaintenanceQueriesMax: limit(4, 'queries', 'of those, for keeping table and records fresh'),
  kadRequestsMax: limit(256, 'requests', 'in flight; more wait, what a person waits for first'),
  kadMaintenanceRequestsMax: limit(64, 'requests', 'in flight above which maintenance sends none'),
  kadInternalQueriesMax: limit(16, 'queries', 'of our own: bootstrap, refresh, corrections'),
  kadQueryTimeoutMs: limit(60_000, 'ms', 'after that a query ends with what it has, or fails'),
  kadClosedOrdersMax: limit(1_024, 'entries', 'remembered orders that ended, to tell late answers from unknown ones'),
  findProvidersMax: limit(10_000, 'peers', 'distinct providers one query tells of, whatever its limit'),
  addresslessProvidersMax: limit(1_000, 'peers', 'providers that wait for addresses until the search ends'),
  providerCacheMax: limit(1_024, 'entries', 'contents whose providers are remembered'),
  cachedProvidersPerKeyMax: limit(20, 'peers', 'remembered for one content, as many as a search gives by default'),
  providerCacheAgeMs: limit(1_800_000, 'ms', 'Amino keeps records for 48 h, but half of the providers are gone in hours'),
  providerCacheRestMs: limit(60_000, 'ms', 'after a search that the cache alone has answered, the next one goes to the network'),
  valuesPerQueryMax: limit(32, 'entries', 'distinct values one get-value has judged; more come from liars'),
  correctedHoldersMax: limit(20, 'peers', 'holders of an old value that one get-value corrects'),
  networkSizeSamplesMin: limit(5, 'entries', 'lookups before the size of the network is estimated from them (go-libp2p-kad-dht)'),
  networkSizeSamplesMax: limit(150, 'entries', 'lookups it is estimated from (go-libp2p-kad-dht)'),
  networkSizeSampleAgeMs: limit(7_200_000, 'ms', 'of such a lookup (go-libp2p-kad-dht)'),
  provideAddressWaitMs: limit(10_000, 'ms', 'a relay reservation or a WebRTC listener takes seconds after the start'),
  storeRequestsMax: limit(10, 'requests', 'records stored at once by one query'),
  serverChecksMax: limit(4, 'requests', 'lookup checks at once'),
  serverChecksQueuedMax: limit(64, 'peers', 'connected servers that wait for their lookup check'),

  // Kademlia: what a server holds for others
  serverRecordAgeMs: limit(172_800_000, 'ms', 'provider records and values, as on Amino'),
  serverProviderAddressAgeMs: limit(86_400_000, 'ms', 'the addresses of a provider, as on Amino'),
  serverProvidersMax: limit(32_768, 'entries', 'provider records; about 20 MB when full'),
  serverProvidersPerKeyMax: limit(512, 'entries', 'of one content: more than anybody asks for'),
  serverProvidersTold: limit(128, 'peers', 'providers in one answer, chosen at random'),
  serverValuesMax: limit(1_024, 'entries', 'values of up to 16 KiB'),
  serverJudgementsMax: limit(64, 'count', 'values being validated at once; more are refused'),
  serverSweepMs: limit(3_600_000, 'ms', 'between two searches for what has expired'),
  kadInboundStreamsMax: limit(32, 'count', 'kad streams one peer may open to us, as js-libp2p allows'),

  // delegated routers (host)
  delegatedRoutersMax: limit(8, 'count', 'each is asked the same'),
  delegatedTimeoutMs: limit(10_000, 'ms', 'for one answer to its end; by then the DHT has mostly answered'),
  delegatedRequestsMax: limit(8, 'requests', 'to one router at a time; more are not asked'),
  delegatedRecordsMax: limit(100, 'peers', 'read from one answer; routers send no more'),
  delegatedResponseBytesMax: limit(1_048_576, 'bytes', 'of one answer: 100 records of 10 KiB'),
  delegatedCacheMax: limit(256, 'entries', 'questions whose answers are remembered'),
  delegatedCacheMs: limit(300_000, 'ms', 'for an answer, as the specification suggests'),
  delegatedNegativeCacheMs: limit(15_000, 'ms', 'for "nothing found", as the specification suggests'),
  delegatedFailuresMax: limit(3, 'count', 'in a row, before a router is left alone'),
  delegatedPauseMs: limit(30_000, 'ms', 'for which it is left alone; doubles'),
  delegatedPauseMaxMs: limit(600_000, 'ms', 'ceiling of that, whatever a router asks for'),
  delegatedWantDelayMs: limit(300, 'ms', 'a block that is wanted mostly comes earlier, from peers we know'),
  delegatedIpnsGraceMs: limit(2_000, 'ms', 'for the DHT to bring a newer record than a router has brought'),

  // Kademlia: maintenance
  tableRefreshIntervalMs: limit(600_000, 'ms', 'as on Amino'),
  tableRepairFirstMs: limit(10_000, 'ms', 'before bootstrapping again; doubles each time it did not help'),
  tableRepairMaxMs: limit(600_000, 'ms', 'ceiling of that delay'),
  refreshCplMax: limit(15, 'count', 'buckets refreshed by a random key: more bits take too many hashes to hit'),
  preimageHashesPerStep: limit(256, 'count', 'hashes per step of a preimage search: below a millisecond'),
  preimageStepMs: limit(10, 'ms', 'between two such steps, so that they delay nothing else'),

  // Providing: the schedule
  provideIntervalMs: limit(79_200_000, 'ms', '22 h from one sweep of a region to the next (go-libp2p-kad-dht)'),
  providerRecordMs: limit(172_800_000, 'ms', '48 h after which servers drop a provider record (Amino)'),
  sweepReserveMs: limit(43_200_000, 'ms', 'a record that expires within 12 h goes before everything else'),
  regionRetryMs: limit(300_000, 'ms', 'before a region that failed is tried again (go-libp2p-kad-dht)'),
  regionStallMs: limit(180_000, 'ms', 'without any answer, after which a region is given up; each order has ended long before'),
  offlineProbeFirstMs: limit(10_000, 'ms', 'before the first probe when nobody answers; doubles'),
  offlineProbeMaxMs: limit(600_000, 'ms', 'ceiling of that delay'),
  clockTrustMs: limit(
    600_000,
    'ms',
    'a monotonic clock may stand still while the machine sleeps; the wall clock is asked for again',
  ),
  provideHoldMs: limit(
    75_000,
    'ms',
    'while a provide of the page tells a key, the sweep leaves it alone: longer than a query may take',
  ),

  // Providing: a region
  regionPageKeys: limit(1_024, 'entries', 'keys in memory at a time: a region of a million keys among 25,000 servers'),
  neighbourhoodPeersMax: limit(2_048, 'peers', 'remembered from the regions before'),
  neighbourhoodMs: limit(1_800_000, 'ms', 'what was certain about a region is not after half an hour'),
  exploredNearestMax: limit(128, 'peers', 'nearest known among whom some must be dialable, before a lookup from the table'),
  exploredAnswersMin: limit(3, 'requests', 'nearest peers that must answer for a search to end, as in a lookup'),
  exploredAsksMax: limit(24, 'requests', 'of one search, before it becomes a lookup'),
  exploredSearchesMax: limit(
    512,
    'requests',
    'searches for one page of keys: two or three in a network of hashes, many in one where all peers are far',
  ),
  exploredVainMax: limit(2, 'count', 'lookups without anything before exploring ends (go-libp2p-kad-dht)'),
  sendLanesMax: limit(6, 'peers', 'told at once: two places to dial are left for what a person waits for'),
  sendLanesHidden: limit(2, 'peers', 'told at once while the page is hidden'),
  sendRoundsMax: limit(3, 'count', 'times that keys of peers that failed go to the next nearest'),
  toldKeysMax: limit(
    64,
    'entries',
    'ADD_PROVIDERs to one peer in one order, and keys that leave the queue together: what a closed tab tells once more is one or two of these',
  ),
  tellingMax: limit(16, 'requests', 'ADD_PROVIDERs to one peer that have not left yet'),
  tellFailuresMax: limit(2, 'count', 'failures in a row after which a peer is given up (go-libp2p-kad-dht)'),
  settledPeersMin: limit(10, 'peers', 'tried before a region is judged by the share that failed, unless there are fewer'),
  failedPeersShareMax: limit(0.8, 'count', 'of those tried: above it the region has failed and is tried again'),
} as const satisfies Record<string, Limit>

/** How full bounded structures are, by the name of their bound. */
export type Fill = Partial<Record<keyof typeof limits, number>>
