#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/read_machine.hpp"

namespace querymark {

// In a source of its own: tests put another driver in its place.
ReadResult blocking_read(Source& source, ReadRequest& request) {
  ReadMachine machine(source, request);
  static_cast<void>(
      blocking_drive(source, request, machine, machine.start()));  // the machine has the error, too
  return machine.take_result();
}

}  // namespace querymark
