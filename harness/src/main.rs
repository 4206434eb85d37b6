//! The program: everything is in the library.

use sio_bench::exit::Exit;

fn main() -> Exit {
    sio_bench::cli::main()
}
