#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "querymark/read/flight.hpp"
#include "querymark/read/many_reads.hpp"
#include "querymark/read/read_request.hpp"

// For writers of ports: how a read that memory could not serve is run.

namespace querymark {

class Source;

/// Serves the request from memory, a shared tier, another's load or its own: does on the calling
/// thread what a SingleRead says. Blocks. Throws what the load throws, and Timeout when it waits
/// for another's load longer than its options allow. A request that replaces what memory has waits for
/// nobody else's load, and its result holds nothing where there was nothing to do.
[[nodiscard]] ReadResult blocking_read(Source& source, ReadRequest& request);

/// The same for several, as ManyReads does it: what has become of each, in their order.
[[nodiscard]] std::vector<ReadAnswer> blocking_read_each(Source& source,
                                                         std::vector<ReadRequest*> requests);
/// The results of those. Throws the error of the first that has one.
[[nodiscard]] std::vector<ReadResult> blocking_read_many(Source& source,
                                                         std::vector<ReadRequest*> requests);

/// Loads for those who wait for the flight. Blocks. Throws what the load throws.
void blocking_load(Source& source, ReadRequest& request, CallerId caller, FlightLeader leader);

/// Blocks until there is something for this waiter, or until `deadline`: nothing then.
[[nodiscard]] std::optional<FlightResult> blocking_wait(
    FlightWaiter& waiter, std::optional<std::chrono::steady_clock::time_point> deadline);

}  // namespace querymark
