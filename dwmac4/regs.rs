// SPDX-License-Identifier: GPL-2.0

//! Registers of the DWC Ethernet QoS cores, 4.x and 5.x.
//!
//! Names are the databook's. Glossary: MAC, media access controller; MTL, MAC transaction layer
//! (the FIFOs); DMA, the bus master with its channels; CSR, the register bus; EHFC, hardware flow
//! control; SMA, station management agent (MDIO).
//!
//! Registers that exist once per queue or channel are arrays; [`peek`], [`poke`] and [`modify`]
//! reach an element whose index is known at run time only.

use kernel::{
    io::{
        register,
        register::{
            Register,
            RegisterArray,
            RegisterArrayLoc, //
        },
        Io, //
    },
    num::Bounded,
    prelude::*, //
};

use crate::hwif::Mmio;

/// Reads element `index` of register array `R`; `EINVAL` if there is none.
#[inline]
pub(super) fn peek<R>(io: Mmio<'_>, index: usize) -> Result<R>
where
    R: RegisterArray + Register<Storage = u32>,
{
    io.try_read(RegisterArrayLoc::<R>::try_new(index).ok_or(EINVAL)?)
}

/// Writes element `index` of register array `R`; `EINVAL` if there is none.
#[inline]
pub(super) fn poke<R>(io: Mmio<'_>, index: usize, value: R) -> Result
where
    R: RegisterArray + Register<Storage = u32>,
{
    io.try_write(RegisterArrayLoc::<R>::try_new(index).ok_or(EINVAL)?, value)
}

/// Updates element `index` of register array `R`; `EINVAL` if there is none.
#[inline]
pub(super) fn modify<R>(io: Mmio<'_>, index: usize, f: impl FnOnce(R) -> R) -> Result
where
    R: RegisterArray + Register<Storage = u32>,
{
    io.try_update(RegisterArrayLoc::<R>::try_new(index).ok_or(EINVAL)?, f)
}

// MAC.

register! {
    /// What the MAC does with frames.
    pub(super) MAC_CONFIGURATION(u32) @ 0x0000 {
        /// ARPEN: answer ARP requests.
        31:31 arpen => bool;
        /// SARC: source address insertion or replacement.
        30:28 sarc;
        /// IPC: check the checksums of received frames.
        27:27 ipc => bool;
        /// IPG: inter-packet gap.
        26:24 ipg;
        /// GPSLCE: GPSL, not 1518 bytes, is the limit of a frame.
        23:23 gpslce => bool;
        /// S2KP: frames of up to 2000 bytes are of normal size.
        22:22 s2kp => bool;
        /// CST: strip the FCS of received frames whose type/length field is a type.
        21:21 cst => bool;
        /// ACS: strip padding and FCS of received frames whose type/length field is a length.
        20:20 acs => bool;
        /// WD: no limit on received bytes; 2048 (10240 with JE) otherwise.
        19:19 wd => bool;
        /// BE: bursts in 1000 Mbit/s half duplex.
        18:18 be => bool;
        /// JD: no limit on sent bytes; 2048 (10240 with JE) otherwise.
        17:17 jd => bool;
        /// JE: frames of up to 9018 bytes (9022 with a VLAN tag) are of normal size.
        16:16 je => bool;
        /// PS: port select, see [`MAC_CONFIGURATION::with_speed`].
        15:15 ps => bool;
        /// FES: speed, see [`MAC_CONFIGURATION::with_speed`].
        14:14 fes => bool;
        /// DM: full duplex.
        13:13 dm => bool;
        /// LM: the transmitter feeds the receiver.
        12:12 lm => bool;
        /// ECRSFD: wait for carrier sense before a full-duplex transmission.
        11:11 ecrsfd => bool;
        /// DO: do not receive what the transmitter sends (half duplex).
        10:10 disable_own => bool;
        /// DCRS: a missing carrier during a half-duplex transmission is no error.
        9:9 dcrs => bool;
        /// DR: no retry after a collision.
        8:8 dr => bool;
        /// BL: back-off limit.
        6:5 bl;
        /// DC: deferral check.
        4:4 dc => bool;
        /// PRELEN: length of the preamble.
        3:2 prelen;
        /// TE: transmitter on.
        1:1 te => bool;
        /// RE: receiver on.
        0:0 re => bool;
    }

    /// More of what the MAC does with frames.
    pub(super) MAC_EXT_CONFIGURATION(u32) @ 0x0004 {
        /// EIPG: upper bits of IPG.
        29:25 eipg;
        /// EIPGEN: EIPG counts.
        24:24 eipgen => bool;
        /// HDSMS: longest header to split off.
        22:20 hdsms;
        /// PDC: duplicate multicast frames.
        19:19 pdc => bool;
        /// USP: slow protocol frames by unicast address.
        18:18 usp => bool;
        /// SPEN: detect slow protocol frames.
        17:17 spen => bool;
        /// DCRCC: do not check the FCS of received frames.
        16:16 dcrcc => bool;
        /// GPSL: frames above this size, FCS counted, are giants. Needs GPSLCE.
        13:0 gpsl;
    }

    /// Receive address filter.
    pub(super) MAC_PACKET_FILTER(u32) @ 0x0008 {
        /// RA: pass all frames on, with the filter's verdict in the descriptor.
        31:31 ra => bool;
        /// DNTU: drop frames that are neither TCP nor UDP over IP.
        21:21 dntu => bool;
        /// IPFE: layer 3 and 4 filters.
        20:20 ipfe => bool;
        /// VTFE: VLAN filter.
        16:16 vtfe => bool;
        /// HPF: a hash or a perfect match passes; either by HUC and HMC otherwise.
        10:10 hpf => bool;
        /// SAF: source address filter.
        9:9 saf => bool;
        /// SAIF: inverse source address filter.
        8:8 saif => bool;
        /// PCF: what becomes of control frames.
        7:6 pcf => ControlFrames;
        /// DBF: drop broadcast.
        5:5 dbf => bool;
        /// PM: pass all multicast.
        4:4 pm => bool;
        /// DAIF: inverse destination address filter.
        3:3 daif => bool;
        /// HMC: multicast by the hash table.
        2:2 hmc => bool;
        /// HUC: unicast by the hash table.
        1:1 huc => bool;
        /// PR: promiscuous.
        0:0 pr => bool;
    }

    /// Hash table of the address filter, 32 bits each.
    pub(super) MAC_HASH_TABLE_REG(u32)[8] @ 0x0010 {
        31:0 ht;
    }

    /// VLAN tags of received frames. In cores with extended filters, bits 6 to 0 access these; in
    /// others, bits 15 to 0 are the only VLAN to compare with.
    pub(super) MAC_VLAN_TAG_CTRL(u32) @ 0x0050 {
        /// EIVLRXS: inner tag into the descriptor.
        31:31 eivlrxs => bool;
        /// EIVLS: when to strip the inner tag.
        29:28 eivls;
        /// ERIVLT: filter by the inner tag.
        27:27 erivlt => bool;
        /// EDVLP: look at two tags, of either type.
        26:26 edvlp => bool;
        /// VTHM: hash filter.
        25:25 vthm => bool;
        /// EVLRXS: outer tag into the descriptor.
        24:24 evlrxs => bool;
        /// EVLS: when to strip the outer tag; 0 never, 1 if the filter lets it pass, 3 always.
        22:21 evls;
        /// DOVLTC: filter by the VLAN, whatever the type of the tag.
        20:20 dovltc => bool;
        /// ERSVLM: filter service tags, not customer tags.
        19:19 ersvlm => bool;
        /// ESVL: service tags are tags as well.
        18:18 esvl => bool;
        /// VTIM: frames that match fail.
        17:17 vtim => bool;
        /// ETV: compare 12 bits, the VLAN; 16 otherwise.
        16:16 etv => bool;
        /// VL: the VLAN to compare with; 0 is any.
        15:0 vl;
        /// OFS: extended filter to access.
        6:2 ofs;
        /// CT: read.
        1:1 ct => bool;
        /// OB: start the access; busy.
        0:0 ob => bool;
    }

    /// Extended filter that MAC_VLAN_TAG_CTRL accesses.
    pub(super) MAC_VLAN_TAG_DATA(u32) @ 0x0054 {
        /// ERSVLM: compare service tags, not customer tags.
        19:19 ersvlm => bool;
        /// ETV: compare 12 bits, the VLAN; 16 otherwise.
        17:17 etv => bool;
        /// VEN: filter is on.
        16:16 ven => bool;
        /// VID: the VLAN.
        15:0 vid;
    }

    /// Hash table of the VLAN filter.
    pub(super) MAC_VLAN_HASH_TABLE(u32) @ 0x0058 {
        15:0 vlht;
    }

    /// Insertion of VLAN tags.
    pub(super) MAC_VLAN_INCL(u32) @ 0x0060 {
        /// VLTI: the tag is in a context descriptor.
        20:20 vlti => bool;
        /// CSVL: tags are service tags.
        19:19 csvl => bool;
        /// VLP: VLC counts, not the descriptor.
        18:18 vlp => bool;
        /// VLC: what to do with tags.
        17:16 vlc;
        /// VLT: the tag, without VLTI.
        15:0 vlt;
    }

    /// Pause frames that a queue sends. Only queue 0 counts unless priorities have queues.
    pub(super) MAC_Q_TX_FLOW_CTRL(u32)[8] @ 0x0070 {
        /// PT: pause time, slots of 512 bit times.
        31:16 pt;
        /// DZPQ: do not end a pause early by a zero-quanta frame.
        7:7 dzpq => bool;
        /// PLT: repeat the pause frame this much before the pause ends.
        6:4 plt;
        /// TFE: flow control (back pressure in half duplex).
        1:1 tfe => bool;
        /// FCB_BPA: send a pause frame now.
        0:0 fcb_bpa => bool;
    }

    /// Pause frames that are received.
    pub(super) MAC_RX_FLOW_CTRL(u32) @ 0x0090 {
        /// PFCE: priority flow control.
        8:8 pfce => bool;
        /// UP: also pause frames to the port's unicast address.
        1:1 up => bool;
        /// RFE: obey pause frames.
        0:0 rfe => bool;
    }

    /// Which receive queues are on, and for what.
    pub(super) MAC_RXQ_CTRL0(u32) @ 0x00a0 {
        /// Two bits per queue: 0 off, 1 AV, 2 generic (DCB).
        15:0 rxqen;
    }

    /// MAC events. Each is cleared where its source is.
    pub(super) MAC_INTERRUPT_STATUS(u32) @ 0x00b0 {
        /// TSIS: system time.
        12:12 tsis => bool;
        /// MMCIS: a statistics counter.
        8:8 mmcis => bool;
        /// LPIIS: LPI state.
        5:5 lpiis => bool;
        /// PMTIS: magic or remote wake-up frame.
        4:4 pmtis => bool;
        /// PHYIS: the PHY's own interrupt; reading clears it.
        3:3 phyis => bool;
        /// PCSANCIS: PCS auto-negotiation done.
        2:2 pcsancis => bool;
        /// PCSLCHGIS: PCS link status.
        1:1 pcslchgis => bool;
        /// RGSMIIIS: in-band status of RGMII or SMII.
        0:0 rgsmiiis => bool;
    }

    /// Which MAC events interrupt; MMC counters have masks of their own.
    pub(super) MAC_INTERRUPT_ENABLE(u32) @ 0x00b4 {
        /// TSIE.
        12:12 tsie => bool;
        /// LPIIE.
        5:5 lpiie => bool;
        /// PMTIE.
        4:4 pmtie => bool;
        /// PHYIE.
        3:3 phyie => bool;
        /// PCSANCIE.
        2:2 pcsancie => bool;
        /// PCSLCHGIE.
        1:1 pcslchgie => bool;
        /// RGSMIIIE.
        0:0 rgsmiiie => bool;
    }

    /// Power management; reading clears the two status bits and PMTIS.
    pub(super) MAC_PMT_CONTROL_STATUS(u32) @ 0x00c0 {
        /// GLBLUCAST: any frame for one of the port's own addresses is a remote wake-up frame.
        9:9 glblucast => bool;
        /// RWKPRCVD: a remote wake-up frame came.
        6:6 rwkprcvd => bool;
        /// MGKPRCVD: a magic frame came.
        5:5 mgkprcvd => bool;
        /// RWKPKTEN: wake on remote wake-up frames.
        2:2 rwkpkten => bool;
        /// MGKPKTEN: wake on magic frames.
        1:1 mgkpkten => bool;
        /// PWRDWN: drop every frame until one of those has come, which clears it.
        0:0 pwrdwn => bool;
    }

    /// LPI; reading clears the four event bits and LPIIS.
    pub(super) MAC_LPI_CONTROL_STATUS(u32) @ 0x00d0 {
        /// LPITCSE: the transmit clock may stop in LPI.
        21:21 lpitcse => bool;
        /// LPIATE: enter LPI when the entry timer has run out, not at once.
        20:20 lpiate => bool;
        /// LPITXA: enter and leave LPI as there is something to send.
        19:19 lpitxa => bool;
        /// PLSEN: the link status comes from the in-band status instead of PLS.
        18:18 plsen => bool;
        /// PLS: the link is up.
        17:17 pls => bool;
        /// LPIEN: the transmitter may enter LPI.
        16:16 lpien => bool;
        /// RLPIST: the receiver is in LPI.
        9:9 rlpist => bool;
        /// TLPIST: the transmitter is in LPI.
        8:8 tlpist => bool;
        /// RLPIEX: the receiver left LPI.
        3:3 rlpiex => bool;
        /// RLPIEN: the receiver entered LPI.
        2:2 rlpien => bool;
        /// TLPIEX: the transmitter left LPI.
        1:1 tlpiex => bool;
        /// TLPIEN: the transmitter entered LPI.
        0:0 tlpien => bool;
    }

    /// Times of LPI.
    pub(super) MAC_LPI_TIMERS_CONTROL(u32) @ 0x00d4 {
        /// LST: the link has to be up for so many milliseconds before LPI.
        25:16 lst;
        /// TWT: nothing is sent for so many microseconds after LPI.
        15:0 twt => u16;
    }

    /// How long the transmitter is idle before LPI.
    pub(super) MAC_LPI_ENTRY_TIMER(u32) @ 0x00d8 {
        /// LPIET: units of 8 microseconds.
        19:3 lpiet;
    }

    /// How long a microsecond is.
    pub(super) MAC_1US_TIC_COUNTER(u32) @ 0x00dc {
        /// TIC_1US_CNTR: CSR clocks, less one.
        11:0 tic_1us_cntr;
    }

    /// PCS auto-negotiation status; reading clears PCSANCIS and PCSLCHGIS.
    pub(super) MAC_AN_STATUS(u32) @ 0x00e4 {
        /// ANC: auto-negotiation done.
        5:5 anc => bool;
        /// LS: link is up.
        2:2 ls => bool;
    }

    /// In-band status of RGMII, SGMII or SMII; reading clears RGSMIIIS.
    pub(super) MAC_PHYIF_CONTROL_STATUS(u32) @ 0x00f8 {
        /// LNKSTS: link is up.
        19:19 lnksts => bool;
        /// LNKSPEED: 0, 1, 2 for 10, 100, 1000 Mbit/s.
        18:17 lnkspeed;
        /// LNKMOD: full duplex.
        16:16 lnkmod => bool;
    }

    /// Which core this is.
    pub(super) MAC_VERSION(u32) @ 0x0110 {
        /// USERVER: the integrator's own number.
        15:8 userver => u8;
        /// SNPSVER: release, 0x51 is 5.10.
        7:0 snpsver => u8;
    }
}

/// PCF: what becomes of received control frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlFrames {
    /// None is passed on.
    Drop,
    /// All but pause frames are passed on, filtered or not.
    AllButPause,
    /// All are passed on, filtered or not.
    All,
    /// Those that pass the address filter are passed on.
    Filtered,
}

impl From<Bounded<u32, 2>> for ControlFrames {
    fn from(v: Bounded<u32, 2>) -> Self {
        match v.get() {
            0 => Self::Drop,
            1 => Self::AllButPause,
            2 => Self::All,
            _ => Self::Filtered,
        }
    }
}

impl From<ControlFrames> for Bounded<u32, 2> {
    fn from(v: ControlFrames) -> Self {
        match v {
            ControlFrames::Drop => Self::new::<0>(),
            ControlFrames::AllButPause => Self::new::<1>(),
            ControlFrames::All => Self::new::<2>(),
            ControlFrames::Filtered => Self::new::<3>(),
        }
    }
}

impl MAC_CONFIGURATION {
    /// PS and FES for `mbps`; `EINVAL` where the core has no such speed.
    pub(super) fn with_speed(self, mbps: u32) -> Result<Self> {
        let (ps, fes) = match mbps {
            10 => (true, false),
            100 => (true, true),
            1000 => (false, false),
            2500 => (false, true),
            _ => return Err(EINVAL),
        };

        Ok(self.with_ps(ps).with_fes(fes))
    }
}

impl MAC_LPI_TIMERS_CONTROL {
    /// LST and TWT. The partner may need a second before it understands LPI, and by IEEE 802.3az
    /// up to 30 us (at 100 Mbit/s) to be awake again.
    pub(super) fn standard() -> Self {
        Self::zeroed().with_const_lst::<1000>().with_twt(30)
    }
}

impl MAC_LPI_ENTRY_TIMER {
    /// Most microseconds that LPIET holds: about a second.
    pub(super) const MAX_USECS: u32 = 0x1_ffff * 8;

    /// LPIET for `usecs`, as much as the field holds.
    pub(super) fn new(usecs: u32) -> Self {
        // Clamped to the field's width, so the setter does not fail.
        Self::zeroed()
            .try_with_lpiet(usecs.min(Self::MAX_USECS) / 8)
            .unwrap_or(Self::zeroed())
    }
}

impl MAC_1US_TIC_COUNTER {
    /// TIC_1US_CNTR for a CSR clock of `rate` Hz.
    pub(super) fn new(rate: u64) -> Self {
        let clocks = u32::try_from(rate / 1_000_000).unwrap_or(u32::MAX);

        // Clamped to the field's width, so the setter does not fail.
        Self::zeroed()
            .try_with_tic_1us_cntr(clocks.saturating_sub(1).min(0xfff))
            .unwrap_or(Self::zeroed())
    }
}

impl MAC_EXT_CONFIGURATION {
    /// GPSL for frames of `bytes`, FCS counted; as much as the field holds.
    pub(super) fn with_giant_limit(self, bytes: u32) -> Self {
        // Clamped to the field's width, so the setter does not fail.
        self.try_with_gpsl(bytes.min(0x3fff)).unwrap_or(self)
    }
}

impl MAC_RXQ_CTRL0 {
    /// The first `queues` queues on, for generic traffic; the others off.
    pub(super) fn generic(queues: u32) -> Self {
        // Each round makes room for one more queue and gives it 2.
        let rxqen = (0..queues.min(8)).fold(0u32, |bits, _| (bits << 2) | 2);

        Self::from_raw(rxqen)
    }
}

// Capabilities.

register! {
    /// Optional features, first word.
    pub(super) MAC_HW_FEATURE0(u32) @ 0x011c {
        30:28 actphysel;
        27:27 savlanins => bool;
        26:25 tsstssel;
        24:24 macadr64sel => bool;
        23:23 macadr32sel => bool;
        22:18 addmacadrsel;
        16:16 rxcoesel => bool;
        14:14 txcoesel => bool;
        13:13 eeesel => bool;
        12:12 tssel => bool;
        9:9 arpoffsel => bool;
        8:8 mmcsel => bool;
        7:7 mgksel => bool;
        6:6 rwksel => bool;
        5:5 smasel => bool;
        4:4 vlhash => bool;
        3:3 pcssel => bool;
        2:2 hdsel => bool;
        1:1 gmiisel => bool;
        0:0 miisel => bool;
    }

    /// Optional features, second word.
    pub(super) MAC_HW_FEATURE1(u32) @ 0x0120 {
        30:27 l3l4fnum;
        25:24 hashtblsz;
        23:23 pouost => bool;
        21:21 ravsel => bool;
        20:20 avsel => bool;
        19:19 dbgmema => bool;
        18:18 tsoen => bool;
        17:17 sphen => bool;
        16:16 dcben => bool;
        15:14 addr64;
        13:13 advthword => bool;
        12:12 ptoen => bool;
        11:11 osten => bool;
        /// Base-2 logarithm of the size in units of 128 bytes.
        10:6 txfifosize;
        5:5 spram => bool;
        /// Base-2 logarithm of the size in units of 128 bytes.
        4:0 rxfifosize;
    }

    /// Optional features, third word. Counts of queues and channels are less one.
    pub(super) MAC_HW_FEATURE2(u32) @ 0x0124 {
        30:28 auxsnapnum;
        26:24 ppsoutnum;
        23:22 tdcsz;
        21:18 txchcnt;
        17:16 rdcsz;
        15:12 rxchcnt;
        9:6 txqcnt;
        3:0 rxqcnt;
    }

    /// Optional features, fourth word.
    pub(super) MAC_HW_FEATURE3(u32) @ 0x0128 {
        29:28 asp;
        27:27 tbssel => bool;
        26:26 fpesel => bool;
        21:20 estwid;
        19:17 estdep;
        16:16 estsel => bool;
        14:13 frpes;
        12:11 frpbs;
        10:10 frpsel => bool;
        9:9 pdupsel => bool;
        5:5 dvlan => bool;
        4:4 cbtisel => bool;
        2:0 nrvf;
    }
}

impl MAC_HW_FEATURE0 {
    /// Address slots beside slot 0, of all three kinds.
    pub(super) fn added_addresses(self) -> u32 {
        self.addmacadrsel().get()
            + if self.macadr32sel() { 32 } else { 0 }
            + if self.macadr64sel() { 64 } else { 0 }
    }
}

impl MAC_HW_FEATURE2 {
    /// Queues, or channels, that `field` stands for: as many as there are registers for.
    fn count(field: u32) -> u32 {
        field.saturating_add(1).min(8)
    }

    /// Receive queues of the MTL.
    pub(super) fn rx_queues(self) -> u32 {
        Self::count(self.rxqcnt().get())
    }

    /// Transmit queues of the MTL.
    pub(super) fn tx_queues(self) -> u32 {
        Self::count(self.txqcnt().get())
    }

    /// Receive channels of the DMA.
    pub(super) fn rx_channels(self) -> u32 {
        Self::count(self.rxchcnt().get())
    }

    /// Transmit channels of the DMA.
    pub(super) fn tx_channels(self) -> u32 {
        Self::count(self.txchcnt().get())
    }
}

// Station management, addresses, time.

/// Command to the station management agent (GOC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MdioCommand {
    /// No access: Clause 45 address phase, or nothing.
    None,
    /// Write.
    Write,
    /// Clause 45 read that increments the address.
    ReadIncrement,
    /// Read.
    Read,
}

impl From<Bounded<u32, 2>> for MdioCommand {
    fn from(v: Bounded<u32, 2>) -> Self {
        match v.get() {
            0 => Self::None,
            1 => Self::Write,
            2 => Self::ReadIncrement,
            _ => Self::Read,
        }
    }
}

impl From<MdioCommand> for Bounded<u32, 2> {
    fn from(v: MdioCommand) -> Self {
        match v {
            MdioCommand::None => Self::new::<0>(),
            MdioCommand::Write => Self::new::<1>(),
            MdioCommand::ReadIncrement => Self::new::<2>(),
            MdioCommand::Read => Self::new::<3>(),
        }
    }
}

register! {
    /// Station management: what to do. Written last.
    pub(super) MAC_MDIO_ADDRESS(u32) @ 0x0200 {
        /// PSE: no preamble.
        27:27 pse => bool;
        /// BTB: report the end of an access before its trailing clocks.
        26:26 btb => bool;
        /// PA: PHY (Clause 22) or port (Clause 45).
        25:21 pa;
        /// RDA: register (Clause 22) or device (Clause 45).
        20:16 rda;
        /// NTC: trailing clocks.
        14:12 ntc;
        /// CR: divider from CSR clock to MDC.
        11:8 cr;
        /// SKAP: no Clause 45 address phase.
        4:4 skap => bool;
        /// GOC: command.
        3:2 goc => MdioCommand;
        /// C45E: Clause 45.
        1:1 c45e => bool;
        /// GB: starts the access; clear once it is done.
        0:0 gb => bool;
    }

    /// Station management: data.
    pub(super) MAC_MDIO_DATA(u32) @ 0x0204 {
        /// RA: Clause 45 register address.
        31:16 ra => u16;
        /// GD: what is written or was read.
        15:0 gd => u16;
    }

    /// Address slot, last two octets. To be written before the low word, which makes both count.
    pub(super) MAC_ADDRESS_HIGH(u32)[128, stride = 8] @ 0x0300 {
        /// AE: the slot counts. Always set in slot 0.
        31:31 ae => bool;
        /// SA: compare with the source address. Reserved in slot 0.
        30:30 sa => bool;
        /// MBC: octets to leave out of the comparison. Reserved in slot 0.
        29:24 mbc;
        /// DCS: DMA channel for frames that match.
        18:16 dcs;
        /// ADDRHI: sixth and fifth octet.
        15:0 addrhi => u16;
    }

    /// Address slot, first four octets; the first is the least significant byte.
    pub(super) MAC_ADDRESS_LOW(u32)[128, stride = 8] @ 0x0304 {
        31:0 addrlo;
    }

    /// General-purpose inputs and outputs, as the integrator wired them.
    pub(super) MAC_GPIO_STATUS(u32) @ 0x020c {
        /// GPO: outputs.
        19:16 gpo;
    }

    /// System time and timestamps: what, and commands that clear themselves when carried out.
    pub(super) MAC_TIMESTAMP_CONTROL(u32) @ 0x0b00 {
        /// SNAPTYPSEL: message types, see
        /// [`with_stamps`](MAC_TIMESTAMP_CONTROL::with_stamps).
        17:16 snaptypsel;
        /// TSMSTRENA: messages that a master gets.
        15:15 tsmstrena => bool;
        /// TSEVNTENA: event messages only.
        14:14 tsevntena => bool;
        /// TSIPV4ENA: messages over UDP and IPv4. Set at reset.
        13:13 tsipv4ena => bool;
        /// TSIPV6ENA: messages over UDP and IPv6.
        12:12 tsipv6ena => bool;
        /// TSIPENA: messages directly over Ethernet.
        11:11 tsipena => bool;
        /// TSVER2ENA: messages of version 2, not 1.
        10:10 tsver2ena => bool;
        /// TSCTRLSSR: the sub-seconds are nanoseconds, not units of 2^-31 s.
        9:9 tsctrlssr => bool;
        /// TSENALL: all frames.
        8:8 tsenall => bool;
        /// TSADDREG: command to take over the addend.
        5:5 tsaddreg => bool;
        /// TSUPDT: command to add the update registers.
        3:3 tsupdt => bool;
        /// TSINIT: command to take over the update registers.
        2:2 tsinit => bool;
        /// TSCFUPDT: fine update, by an accumulator.
        1:1 tscfupdt => bool;
        /// TSENA: timestamps and system time on.
        0:0 tsena => bool;
    }

    /// What is added to the system time.
    pub(super) MAC_SUB_SECOND_INCREMENT(u32) @ 0x0b04 {
        /// SSINC: nanoseconds.
        23:16 ssinc => u8;
        /// SNSINC: 256ths of a nanosecond.
        15:8 snsinc => u8;
    }

    /// System time: seconds.
    pub(super) MAC_SYSTEM_TIME_SECONDS(u32) @ 0x0b08 {
        31:0 tss;
    }

    /// System time: nanoseconds.
    pub(super) MAC_SYSTEM_TIME_NANOSECONDS(u32) @ 0x0b0c {
        30:0 tsss;
    }

    /// Seconds to set or to add.
    pub(super) MAC_SYSTEM_TIME_SECONDS_UPDATE(u32) @ 0x0b10 {
        31:0 tss;
    }

    /// Nanoseconds to set or to add.
    pub(super) MAC_SYSTEM_TIME_NANOSECONDS_UPDATE(u32) @ 0x0b14 {
        /// ADDSUB: subtract; both registers hold complements then.
        31:31 addsub => bool;
        30:0 tsss;
    }

    /// TSAR: what is added to the accumulator at each cycle of the PTP clock.
    pub(super) MAC_TIMESTAMP_ADDEND(u32) @ 0x0b18 {
        31:0 tsar;
    }

    /// System time events; reading clears them and TSIS.
    pub(super) MAC_TIMESTAMP_STATUS(u32) @ 0x0b20 {
        /// AUXTSTRIG: an auxiliary snapshot was taken.
        2:2 auxtstrig => bool;
        /// TSTARGT0: target time 0 was reached.
        1:1 tstargt0 => bool;
        /// TSSOVF: the seconds wrapped around.
        0:0 tssovf => bool;
    }
}

impl MAC_ADDRESS_HIGH {
    /// High word of `addr`, enabled.
    pub(super) fn enabled(addr: &[u8; 6]) -> Self {
        let [_, _, _, _, a, b] = *addr;

        Self::zeroed()
            .with_ae(true)
            .with_addrhi(u16::from_le_bytes([a, b]))
    }
}

impl MAC_ADDRESS_LOW {
    /// Low word of `addr`.
    pub(super) fn new(addr: &[u8; 6]) -> Self {
        let [a, b, c, d, _, _] = *addr;

        Self::from_raw(u32::from_le_bytes([a, b, c, d]))
    }
}

// MTL.

register! {
    /// What holds for all queues.
    pub(super) MTL_OPERATION_MODE(u32) @ 0x0c00 {
        /// FRPE: receive parser on.
        15:15 frpe => bool;
        /// CNTCLR: clears all counters.
        9:9 cntclr => bool;
        /// CNTPRST: presets all counters.
        8:8 cntprst => bool;
        /// SCHALG: how transmit queues take turns.
        6:5 schalg => TxScheduling;
        /// RAA: receive queues take turns by weight instead of strict priority.
        2:2 raa => bool;
        /// DTXSTS: drop the transmit status instead of passing it to the DMA.
        1:1 dtxsts => bool;
    }

    /// DMA channels of receive queues, four a register.
    pub(super) MTL_RXQ_DMA_MAP(u32)[2] @ 0x0c30 {
        /// Q3DDMACH: channel by address filter.
        28:28 q3ddmach => bool;
        /// Q3MDMACH.
        26:24 q3mdmach;
        /// Q2DDMACH.
        20:20 q2ddmach => bool;
        /// Q2MDMACH.
        18:16 q2mdmach;
        /// Q1DDMACH.
        12:12 q1ddmach => bool;
        /// Q1MDMACH.
        10:8 q1mdmach;
        /// Q0DDMACH.
        4:4 q0ddmach => bool;
        /// Q0MDMACH.
        2:0 q0mdmach;
    }

    /// Transmit queue.
    pub(super) MTL_TXQ_OPERATION_MODE(u32)[8, stride = 0x40] @ 0x0d00 {
        /// TQS: share of the FIFO, units of 256 bytes, less one.
        24:16 tqs;
        /// TTC: threshold, unless TSF.
        6:4 ttc;
        /// TXQEN: queue is off (0), for AV traffic (1) or on (2).
        3:2 txqen;
        /// TSF: store and forward. Checksum insertion needs it.
        1:1 tsf => bool;
        /// FTQ: flushes the queue; clears itself.
        0:0 ftq => bool;
    }

    /// Weight of a transmit queue.
    pub(super) MTL_TXQ_QUANTUM_WEIGHT(u32)[8, stride = 0x40] @ 0x0d18 {
        /// ISCQW: weight (WRR), quantum (DWRR, WFQ) or idle slope credit (CBS).
        20:0 iscqw;
    }

    /// State of a transmit queue.
    pub(super) MTL_TXQ_DEBUG(u32)[8, stride = 0x40] @ 0x0d08 {
        /// PTXQ: frames in the queue.
        18:16 ptxq;
        /// TXQSTS: the queue is not empty.
        4:4 txqsts => bool;
        /// TWCSTS: its writer is at work.
        3:3 twcsts => bool;
        /// TRCSTS: what its reader does: nothing, reads, waits for the MAC, flushes.
        2:1 trcsts;
        /// TXQPAUSED: the peer has paused it.
        0:0 txqpaused => bool;
    }

    /// Receive queue.
    pub(super) MTL_RXQ_OPERATION_MODE(u32)[8, stride = 0x40] @ 0x0d30 {
        /// RQS: share of the FIFO, units of 256 bytes, less one.
        29:20 rqs;
        /// RFD: end the pause at this level, see
        /// [`try_with_flow_control`](MTL_RXQ_OPERATION_MODE::try_with_flow_control).
        19:14 rfd;
        /// RFA: pause the peer at this level, as RFD.
        13:8 rfa;
        /// EHFC: flow control by fill level.
        7:7 ehfc => bool;
        /// DIS_TCP_EF: do not drop frames that have nothing but a wrong checksum.
        6:6 dis_tcp_ef => bool;
        /// RSF: store and forward. Dropping bad frames needs it.
        5:5 rsf => bool;
        /// FEP: pass bad frames on.
        4:4 fep => bool;
        /// FUP: pass good frames on that are too short.
        3:3 fup => bool;
        /// RTC: threshold, unless RSF.
        1:0 rtc;
    }

    /// Frames that a receive queue dropped. Reading clears it.
    pub(super) MTL_RXQ_MISSED_PACKET_OVERFLOW_CNT(u32)[8, stride = 0x40] @ 0x0d34 {
        /// OVFCNTOVF: OVFPKTCNT has wrapped.
        11:11 ovfcntovf => bool;
        /// OVFPKTCNT: because the FIFO was full.
        10:0 ovfpktcnt;
    }

    /// State of a receive queue.
    pub(super) MTL_RXQ_DEBUG(u32)[8, stride = 0x40] @ 0x0d38 {
        /// PRXQ: frames in the queue.
        29:16 prxq;
        /// RXQSTS: how full it is: empty, below the level of flow control, above it, full.
        5:4 rxqsts;
        /// RRCSTS: what its reader does.
        2:1 rrcsts;
        /// RWCSTS: its writer is at work.
        0:0 rwcsts => bool;
    }
}

/// SCHALG: how transmit queues take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TxScheduling {
    /// Weighted round robin.
    Wrr,
    /// Weighted fair queueing.
    Wfq,
    /// Deficit weighted round robin.
    Dwrr,
    /// Strict priority.
    Sp,
}

impl From<Bounded<u32, 2>> for TxScheduling {
    fn from(v: Bounded<u32, 2>) -> Self {
        match v.get() {
            0 => Self::Wrr,
            1 => Self::Wfq,
            2 => Self::Dwrr,
            _ => Self::Sp,
        }
    }
}

impl From<TxScheduling> for Bounded<u32, 2> {
    fn from(v: TxScheduling) -> Self {
        match v {
            TxScheduling::Wrr => Self::new::<0>(),
            TxScheduling::Wfq => Self::new::<1>(),
            TxScheduling::Dwrr => Self::new::<2>(),
            TxScheduling::Sp => Self::new::<3>(),
        }
    }
}

impl MTL_RXQ_DMA_MAP {
    /// The registers that map receive queue i to DMA channel i in a core with `queues` of them;
    /// the fields of others are reserved.
    pub(super) fn identity(queues: u32) -> [Self; 2] {
        [[0u8, 1, 2, 3], [4, 5, 6, 7]].map(|fields| {
            // A byte a queue, its channel in the lowest bits.
            let channels = fields.map(|q| if u32::from(q) < queues { q } else { 0 });
            Self::from_raw(u32::from_le_bytes(channels))
        })
    }
}

impl MTL_TXQ_OPERATION_MODE {
    /// TXQEN of a queue for generic traffic.
    pub(super) fn with_generic(self) -> Self {
        self.with_const_txqen::<2>()
    }

    /// TQS for `bytes` of the FIFO; `EINVAL` if the queue cannot have so much or so little.
    pub(super) fn try_with_share(self, bytes: u32) -> Result<Self> {
        self.try_with_tqs(fifo_units(bytes)?).map_err(|_| EINVAL)
    }
}

impl MTL_RXQ_OPERATION_MODE {
    /// RQS for `bytes` of the FIFO; `EINVAL` if the queue cannot have so much or so little.
    pub(super) fn try_with_share(self, bytes: u32) -> Result<Self> {
        self.try_with_rqs(fifo_units(bytes)?).map_err(|_| EINVAL)
    }

    /// EHFC with RFA and RFD such that the peer is paused with `pause` bytes left in the queue's
    /// share and resumed with `resume` bytes left.
    pub(super) fn try_with_flow_control(self, pause: u32, resume: u32) -> Result<Self> {
        let rfa = Self::flow_level(pause)?;
        let rfd = Self::flow_level(resume)?;

        Ok(self
            .try_with_rfa(rfa)
            .and_then(|r| r.try_with_rfd(rfd))
            .map_err(|_| EINVAL)?
            .with_ehfc(true))
    }

    /// RFA and RFD count from 1 KiB below full, downwards in steps of 512 bytes.
    fn flow_level(left: u32) -> Result<u32> {
        Ok(left.checked_sub(1024).ok_or(EINVAL)? / 512)
    }
}

/// A share of a FIFO in the units of TQS and RQS.
fn fifo_units(bytes: u32) -> Result<u32> {
    (bytes / 256).checked_sub(1).ok_or(EINVAL)
}

// DMA.

register! {
    /// What holds for the whole DMA.
    pub(super) DMA_MODE(u32) @ 0x1000 {
        /// DCHE: descriptor cache on.
        19:19 dche => bool;
        /// INTM: which lines interrupt, see [`DMA_MODE::with_per_channel_irqs`].
        17:16 intm;
        /// PR: weight of transmission against reception.
        14:12 pr;
        /// TXPR: transmission goes first.
        11:11 txpr => bool;
        /// DSPW: descriptors are written without waiting for the response.
        8:8 dspw => bool;
        /// TAA: how transmit channels take turns.
        4:2 taa;
        /// DA: strict priority of one direction.
        1:1 da => bool;
        /// SWR: resets everything; clears itself once all clock domains are out of reset.
        0:0 swr => bool;
    }

    /// Bus interface.
    pub(super) DMA_SYSBUS_MODE(u32) @ 0x1004 {
        /// EN_LPI: the bus master may go to low power.
        31:31 en_lpi => bool;
        /// LPI_XIT_PKT: leave low power for magic and remote wake-up frames only.
        30:30 lpi_xit_pkt => bool;
        /// WR_OSR_LMT: outstanding writes, less one.
        27:24 wr_osr_lmt;
        /// RD_OSR_LMT: outstanding reads, less one.
        19:16 rd_osr_lmt;
        /// RB: rebuild bursts (AHB).
        15:15 rb => bool;
        /// MB: mixed bursts (AHB).
        14:14 mb => bool;
        /// AAL: bursts do not cross their own size.
        12:12 aal => bool;
        /// EAME: addresses have more than 32 bits.
        11:11 eame => bool;
        /// AALE: low power after a while without traffic.
        10:10 aale => bool;
        /// BLEN4 to BLEN256: permitted burst lengths, shortest lowest.
        7:1 blen;
        /// FB: bursts of the permitted lengths only.
        0:0 fb => bool;
    }

    /// What interrupts.
    pub(super) DMA_INTERRUPT_STATUS(u32) @ 0x1008 {
        /// MACIS.
        17:17 macis => bool;
        /// MTLIS.
        16:16 mtlis => bool;
        /// DC0IS to DC7IS.
        7:0 dcis;
    }

    /// Process states of channels, see [`process_state`].
    pub(super) DMA_DEBUG_STATUS(u32)[3] @ 0x100c {
        31:0 value;
    }

    /// Channel: both directions.
    pub(super) DMA_CH_CONTROL(u32)[8, stride = 0x80] @ 0x1100 {
        /// SPH: split headers.
        24:24 sph => bool;
        /// DSL: bus words between two descriptors.
        20:18 dsl;
        /// PBLx8: PBL counts eightfold.
        16:16 pblx8 => bool;
        /// MSS: maximum segment size.
        13:0 mss;
    }

    /// Channel: transmission.
    pub(super) DMA_CH_TX_CONTROL(u32)[8, stride = 0x80] @ 0x1104 {
        /// EDSE: enhanced descriptors.
        28:28 edse => bool;
        /// TXPBL: burst length.
        21:16 txpbl;
        /// TSE: segmentation.
        12:12 tse => bool;
        /// OSP: fetch the next frame before the status of this one is known.
        4:4 osp => bool;
        /// TCW: weight of the channel.
        3:1 tcw;
        /// ST: started.
        0:0 st => bool;
    }

    /// Channel: reception.
    pub(super) DMA_CH_RX_CONTROL(u32)[8, stride = 0x80] @ 0x1108 {
        /// RPF: flush the queue while the channel is stopped.
        31:31 rpf => bool;
        /// RXPBL: burst length.
        21:16 rxpbl;
        /// RBSZ: bytes of a buffer, a multiple of the bus width.
        14:1 rbsz;
        /// SR: started.
        0:0 sr => bool;
    }

    /// Channel: transmit ring's base, upper half.
    pub(super) DMA_CH_TXDESC_LIST_HADDRESS(u32)[8, stride = 0x80] @ 0x1110 {
        31:0 tdesha;
    }

    /// Channel: transmit ring's base, lower half.
    pub(super) DMA_CH_TXDESC_LIST_ADDRESS(u32)[8, stride = 0x80] @ 0x1114 {
        31:0 tdesla;
    }

    /// Channel: receive ring's base, upper half.
    pub(super) DMA_CH_RXDESC_LIST_HADDRESS(u32)[8, stride = 0x80] @ 0x1118 {
        31:0 rdesha;
    }

    /// Channel: receive ring's base, lower half.
    pub(super) DMA_CH_RXDESC_LIST_ADDRESS(u32)[8, stride = 0x80] @ 0x111c {
        31:0 rdesla;
    }

    /// Channel: transmit tail, the doorbell. The upper half is the ring's.
    pub(super) DMA_CH_TXDESC_TAIL_POINTER(u32)[8, stride = 0x80] @ 0x1120 {
        31:0 tdt;
    }

    /// Channel: receive tail, the doorbell. The upper half is the ring's.
    pub(super) DMA_CH_RXDESC_TAIL_POINTER(u32)[8, stride = 0x80] @ 0x1128 {
        31:0 rdt;
    }

    /// Channel: transmit ring's length.
    pub(super) DMA_CH_TXDESC_RING_LENGTH(u32)[8, stride = 0x80] @ 0x112c {
        /// TDRL: descriptors, less one.
        9:0 tdrl;
    }

    /// Channel: receive ring's length.
    pub(super) DMA_CH_RXDESC_RING_LENGTH(u32)[8, stride = 0x80] @ 0x1130 {
        /// RDRL: descriptors, less one.
        9:0 rdrl;
    }

    /// Channel: which events interrupt, from 4.10 on.
    pub(super) DMA_CH_INTERRUPT_ENABLE(u32)[8, stride = 0x80] @ 0x1134 {
        /// NIE: the normal ones.
        15:15 nie => bool;
        /// AIE: the abnormal ones.
        14:14 aie => bool;
        /// CDEE.
        13:13 cdee => bool;
        /// FBEE.
        12:12 fbee => bool;
        /// ERIE.
        11:11 erie => bool;
        /// ETIE.
        10:10 etie => bool;
        /// RWTE.
        9:9 rwte => bool;
        /// RSE.
        8:8 rse => bool;
        /// RBUE.
        7:7 rbue => bool;
        /// RIE.
        6:6 rie => bool;
        /// TBUE.
        2:2 tbue => bool;
        /// TXSE.
        1:1 txse => bool;
        /// TIE.
        0:0 tie => bool;
    }

    /// Channel: which events interrupt, before 4.10. NIE and AIE are one bit higher.
    pub(super) DMA_CH_INTERRUPT_ENABLE_4_00(u32)[8, stride = 0x80] @ 0x1134 {
        /// NIE: the normal ones.
        16:16 nie => bool;
        /// AIE: the abnormal ones.
        15:15 aie => bool;
        /// FBEE.
        12:12 fbee => bool;
        /// RSE.
        8:8 rse => bool;
        /// RBUE.
        7:7 rbue => bool;
        /// RIE.
        6:6 rie => bool;
        /// TXSE.
        1:1 txse => bool;
        /// TIE.
        0:0 tie => bool;
    }

    /// Channel: receive watchdog.
    pub(super) DMA_CH_RX_INTERRUPT_WATCHDOG_TIMER(u32)[8, stride = 0x80] @ 0x1138 {
        /// RWTU: a unit is 256, 512, 1024 or 2048 CSR clocks.
        17:16 rwtu;
        /// RWT: units from a frame without interrupt to RI; 0 is off.
        7:0 rwt;
    }

    /// Channel: transmit descriptor that is worked on, lower half.
    pub(super) DMA_CH_CURRENT_APP_TXDESC(u32)[8, stride = 0x80] @ 0x1144 {
        31:0 curtdesaptr;
    }

    /// Channel: receive descriptor that is worked on, lower half.
    pub(super) DMA_CH_CURRENT_APP_RXDESC(u32)[8, stride = 0x80] @ 0x114c {
        31:0 currdesaptr;
    }

    /// Channel: events, cleared by writing 1.
    pub(super) DMA_CH_STATUS(u32)[8, stride = 0x80] @ 0x1160 {
        /// REB: what failed when FBE was raised by reception. Read-only.
        21:19 reb;
        /// TEB: what failed when FBE was raised by transmission. Read-only.
        18:16 teb;
        /// NIS: a normal event (TI, TBU, RI, ERI) that is enabled.
        15:15 nis => bool;
        /// AIS: any other event that is enabled.
        14:14 ais => bool;
        /// CDE: a descriptor of nothing but ones.
        13:13 cde => bool;
        /// FBE: a bus access failed.
        12:12 fbe => bool;
        /// ERI: the first buffer of a frame is full.
        11:11 eri => bool;
        /// ETI: a frame is in the FIFO.
        10:10 eti => bool;
        /// RWT: frame longer than 2048 bytes.
        9:9 rwt => bool;
        /// RPS: receive process stopped.
        8:8 rps => bool;
        /// RBU: no receive descriptor was free.
        7:7 rbu => bool;
        /// RI: frames were received.
        6:6 ri => bool;
        /// TBU: no transmit descriptor was ready.
        2:2 tbu => bool;
        /// TPS: transmit process stopped.
        1:1 tps => bool;
        /// TI: frames were sent.
        0:0 ti => bool;
    }
}

impl DMA_MODE {
    /// INTM: TI and RI of each channel have lines of their own (1), or all share one (0).
    pub(super) fn with_per_channel_irqs(self, on: bool) -> Self {
        if on {
            self.with_const_intm::<1>()
        } else {
            self.with_const_intm::<0>()
        }
    }
}

impl DMA_SYSBUS_MODE {
    /// Outstanding accesses, less one; as many as the fields hold.
    pub(super) fn with_outstanding(self, write: u32, read: u32) -> Self {
        // The values are clamped to the fields, so neither setter fails.
        self.try_with_wr_osr_lmt(write.min(15))
            .and_then(|r| r.try_with_rd_osr_lmt(read.min(15)))
            .unwrap_or(self)
    }

    /// BLEN from permitted burst lengths: bit 0 is 4 beats, bit 6 is 256.
    pub(super) fn with_bursts(self, bursts: u32) -> Self {
        // Masked to the field's width, so the setter does not fail.
        self.try_with_blen(bursts & 0x7f).unwrap_or(self)
    }
}

register! {
    /// Channel: events before 4.10, as far as they differ. NIS and AIS are one bit higher.
    pub(super) DMA_CH_STATUS_4_00(u32)[8, stride = 0x80] @ 0x1160 {
        /// NIS.
        16:16 nis => bool;
        /// AIS.
        15:15 ais => bool;
    }
}

impl DMA_CH_TXDESC_RING_LENGTH {
    /// TDRL for `len` descriptors; `EINVAL` if a ring cannot have so many or so few.
    pub(super) fn new(len: u32) -> Result<Self> {
        Self::zeroed()
            .try_with_tdrl(len.checked_sub(1).ok_or(EINVAL)?)
            .map_err(|_| EINVAL)
    }
}

impl DMA_CH_RXDESC_RING_LENGTH {
    /// RDRL for `len` descriptors; `EINVAL` if a ring cannot have so many or so few.
    pub(super) fn new(len: u32) -> Result<Self> {
        Self::zeroed()
            .try_with_rdrl(len.checked_sub(1).ok_or(EINVAL)?)
            .map_err(|_| EINVAL)
    }
}

impl DMA_CH_RX_CONTROL {
    /// RBSZ for buffers of `bytes`; `EINVAL` if a buffer cannot have so many or so few.
    pub(super) fn try_with_buffer_len(self, bytes: u32) -> Result<Self> {
        // The widest bus has 16 bytes. Rounding up would overrun the buffer.
        match bytes & !15 {
            0 => Err(EINVAL),
            rbsz => self.try_with_rbsz(rbsz).map_err(|_| EINVAL),
        }
    }
}

impl DMA_CH_STATUS {
    /// What to write to clear TI, RI and what comes with them; `summary` are NIS and AIS of this
    /// release.
    pub(super) fn completions(summary: u32) -> Self {
        Self::from_raw(
            Self::TI_MASK
                | Self::TBU_MASK
                | Self::RI_MASK
                | Self::ETI_MASK
                | Self::ERI_MASK
                | summary,
        )
    }

    /// What to write to clear the abnormal events that are set; `summary` as above.
    pub(super) fn abnormal(self, summary: u32) -> Self {
        const EVENTS: u32 = DMA_CH_STATUS::TPS_MASK
            | DMA_CH_STATUS::RBU_MASK
            | DMA_CH_STATUS::RPS_MASK
            | DMA_CH_STATUS::RWT_MASK
            | DMA_CH_STATUS::FBE_MASK
            | DMA_CH_STATUS::CDE_MASK;

        match self.into_raw() & EVENTS {
            0 => Self::from_raw(0),
            events => Self::from_raw(events | summary),
        }
    }
}

/// What a transmit process does (TPS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TxState(u8);

/// What a receive process does (RPS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RxState(u8);

impl TxState {
    /// True if the process is stopped, by a command or by an error.
    pub(super) fn is_stopped(self) -> bool {
        self.0 == 0
    }

    /// True if the process is stopped (0) or suspended (6): it does not touch memory.
    pub(super) fn is_quiet(self) -> bool {
        matches!(self.0, 0 | 6)
    }

    /// For a report.
    pub(super) fn name(self) -> &'static CStr {
        match self.0 {
            0 => c"stopped",
            1 => c"fetching a descriptor",
            2 => c"waiting for status",
            3 => c"reading a buffer",
            4 => c"writing a timestamp",
            6 => c"suspended",
            7 => c"closing a descriptor",
            _ => c"unknown",
        }
    }
}

impl RxState {
    /// True if the process is stopped, by a command or by an error.
    pub(super) fn is_stopped(self) -> bool {
        self.0 == 0
    }

    /// True if the process is stopped (0) or suspended (4): it does not touch memory.
    pub(super) fn is_quiet(self) -> bool {
        matches!(self.0, 0 | 4)
    }

    /// For a report.
    pub(super) fn name(self) -> &'static CStr {
        match self.0 {
            0 => c"stopped",
            1 => c"fetching a descriptor",
            3 => c"waiting for a frame",
            4 => c"suspended",
            5 => c"closing a descriptor",
            6 => c"writing a timestamp",
            7 => c"writing a buffer",
            _ => c"unknown",
        }
    }
}

/// Reads what channel `ch`'s processes do.
pub(super) fn process_state(io: Mmio<'_>, ch: usize) -> Result<(TxState, RxState)> {
    // One byte a channel, transmission in its upper half. Channel 0 starts at the second byte of
    // the first register; the channels run on through the bytes from there.
    let byte = ch.checked_add(1).ok_or(EINVAL)?;
    let value = peek::<DMA_DEBUG_STATUS>(io, byte / 4)?.into_raw();
    let state = *value.to_le_bytes().get(byte % 4).ok_or(EINVAL)?;

    Ok((TxState(state >> 4), RxState(state & 0xf)))
}
