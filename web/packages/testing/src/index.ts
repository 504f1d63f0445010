export { MockNotStarted, type MockOptions } from './command';
export { type ArmedFaults, Mock, type Struck, startMock } from './mock';
export type { Fault, Latency, MockCall, MockReply, MockScript, Step } from './script';
