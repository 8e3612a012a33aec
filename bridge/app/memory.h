// What the process keeps in memory.
#pragma once

namespace app {

// Lets the kernel forget the program's code that lies in memory; what runs on is read again from
// the files. Starting needs most of it, waiting needs little.
void forget_code();

}  // namespace app
