//! A vault that leaves passwords as they are, for measurements and simulations.

use std::sync::Arc;

use causeway::imps::UserId;
use causeway::imps::primitive::Password;
use causeway::relay::ports::Account;
use causeway::sap::{Vault, VaultError};

/// Passwords lie open: sealing them is not what is looked at.
pub(crate) struct OpenVault;

impl Vault for OpenVault {
    fn open(&self, account: &Account) -> Result<Password, VaultError> {
        Ok(Password::new(String::from_utf8_lossy(&account.sealed_password).as_ref()))
    }

    fn seal(&self, _user: &UserId, password: &Password) -> Result<Arc<[u8]>, VaultError> {
        Ok(password.clear().as_bytes().into())
    }
}
