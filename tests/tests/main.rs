//! Promises of the whole system, one module each, kept in real virtual machines.

mod asks_polkit_who_may;
mod boots_only_what_is_signed;
mod builds_are_reproducible;
mod corrupt_staged_slot_falls_back;
mod encrypts_root_with_the_tpm;
mod firmware_starts_nothing_else;
mod first_boot_follows_its_config;
mod first_boot_makes_disks;
mod first_boot_on_azure;
mod goes_back_when_silent;
mod goes_back_when_unhealthy;
mod grows_root_to_the_disk;
mod is_what_a_kubelet_needs;
mod keeps_old_as_fallback;
mod refuses_a_full_esp;
mod refuses_flipped_bits;
mod refuses_older_and_expired;
mod reset_at_five_moments;
mod reset_at_random_moments;
mod runs_containers_without_network;
mod takes_an_update_and_commits;
mod tampered_uki_falls_back;
mod unlocks_volumes_by_tpm_and_tang;
