#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| throughline_fuzz::formats(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("cargo +nightly fuzz run formats");
}
