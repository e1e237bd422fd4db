//! The one client request that callgrind needs from us.

/// Starts callgrind's counting; the scripts run it with `--instr-atstart=no`.
///
/// What a process does before is no workload, and fastrace's clock would spoil the figures: it calibrates itself for a
/// length of time, not for a number of instructions. Without valgrind these are a few rotations that amount to nothing.
pub fn start() {
    #[cfg(target_arch = "x86_64")]
    {
        const START_INSTRUMENTATION: u64 = (((b'C' as u64) << 24) | ((b'T' as u64) << 16)) + 4;
        let request: [u64; 6] = [START_INSTRUMENTATION, 0, 0, 0, 0, 0];
        // SAFETY: valgrind's documented marker; rdi and rbx end as they began.
        unsafe {
            core::arch::asm!(
                "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
                in("rax") request.as_ptr(),
                inout("rdx") 0_u64 => _,
            );
        }
    }
}
