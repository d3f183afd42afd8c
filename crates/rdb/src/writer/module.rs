//! What modules keep, as it was read.

use super::{Access, Writer};
use crate::module::{self, ModuleId, ModulePart};
use crate::{form, opcode};

impl Writer {
    /// Begins data that a module attached to the stream as a whole. A [`module_part`](Writer::module_part) for each part follows,
    /// then [`end_module`](Writer::end_module).
    pub fn begin_module_aux(&mut self, module: ModuleId, when: u64) {
        self.buf.push(opcode::MODULE_AUX);
        self.put_length(module.0);
        self.put_length(module::UNSIGNED);
        self.put_length(when);
    }

    /// Begins a key that holds a value of a module. What follows is as for [`begin_module_aux`](Writer::begin_module_aux).
    pub fn begin_module(
        &mut self,
        key: &[u8],
        module: ModuleId,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        self.begin_entry(form::MODULE, key, expiry_ms, access);
        self.put_length(module.0);
    }

    /// A part of what a module keeps.
    pub fn module_part(&mut self, part: ModulePart<'_>) {
        match part {
            ModulePart::Signed(number) => {
                self.put_length(module::SIGNED);
                self.put_length(number as u64);
            }
            ModulePart::Unsigned(number) => {
                self.put_length(module::UNSIGNED);
                self.put_length(number);
            }
            ModulePart::Float(number) => {
                self.put_length(module::FLOAT);
                self.buf.extend_from_slice(&number.to_le_bytes());
            }
            ModulePart::Double(number) => {
                self.put_length(module::DOUBLE);
                self.buf.extend_from_slice(&number.to_le_bytes());
            }
            ModulePart::String(text) => {
                self.put_length(module::STRING);
                self.put_string(text);
            }
        }
        self.sum_up_if_due();
    }

    /// The end of what a module keeps.
    pub fn end_module(&mut self) {
        self.put_length(module::END);
    }
}
