#include "querymark/read/blocking_driver.hpp"

#include <utility>

#include "querymark/read/many_reads.hpp"
#include "querymark/read/single_read.hpp"
#include "read/sleeper.hpp"

namespace querymark {

// In a source of their own: tests put another driver in its place.

ReadResult blocking_read(Source& source, ReadRequest& request) {
  Sleeper sleeper;
  SingleRead read(source, request);
  blocking_run(read, sleeper);
  return read.take();
}

std::vector<ReadAnswer> blocking_read_each(Source& source, std::vector<ReadRequest*> requests) {
  Sleeper sleeper;
  ManyReads reads(source, std::move(requests));
  blocking_run(reads, sleeper);
  return reads.take();
}

}  // namespace querymark
