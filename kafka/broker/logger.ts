/** What the broker logs through. It imports nothing outside its folder, so the shape is said here; the service's logger
 * fits it. @module */

/** One line per call: a message and its fields. */
export interface BrokerLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** Logs nothing. */
export const silentBrokerLogger: BrokerLogger = { debug() {}, info() {}, warn() {}, error() {} };
