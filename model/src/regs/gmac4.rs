// SPDX-License-Identifier: GPL-2.0

//! The register map of the GMAC 4.x/5.x ("EQoS") core.

use super::{bit, mask, Def};
use crate::config::Config;
use crate::{l3l4, safety};

/// Size of the decoded register space.
pub const SIZE: u32 = 0x1600;

// MAC.
/// MAC_Configuration.
pub const MAC_CONFIG: u32 = 0x0000;
/// MAC_Ext_Configuration.
pub const MAC_EXT_CONFIG: u32 = 0x0004;
/// MAC_Packet_Filter.
pub const MAC_PACKET_FILTER: u32 = 0x0008;
/// MAC_Watchdog_Timeout.
pub const MAC_WATCHDOG: u32 = 0x000c;
/// MAC_Hash_Table_Reg0.
pub const MAC_HASH: u32 = 0x0010;
/// MAC_VLAN_Tag; MAC_VLAN_Tag_Ctrl with extended filters.
pub const MAC_VLAN_TAG: u32 = 0x0050;
/// MAC_VLAN_Tag_Data, the window to the extended filters.
pub const MAC_VLAN_TAG_DATA: u32 = 0x0054;
/// MAC_VLAN_Hash_Table.
pub const MAC_VLAN_HASH: u32 = 0x0058;
/// MAC_VLAN_Incl.
pub const MAC_VLAN_INCL: u32 = 0x0060;
/// MAC_Inner_VLAN_Incl.
pub const MAC_INNER_VLAN_INCL: u32 = 0x0064;
/// MAC_Q0_Tx_Flow_Ctrl.
pub const MAC_TX_FLOW: u32 = 0x0070;
/// MAC_Rx_Flow_Ctrl.
pub const MAC_RX_FLOW: u32 = 0x0090;
/// MAC_RxQ_Ctrl0.
pub const MAC_RXQ_CTRL0: u32 = 0x00a0;
/// MAC_RxQ_Ctrl1.
pub const MAC_RXQ_CTRL1: u32 = 0x00a4;
/// MAC_RxQ_Ctrl2.
pub const MAC_RXQ_CTRL2: u32 = 0x00a8;
/// MAC_RxQ_Ctrl4.
pub const MAC_RXQ_CTRL4: u32 = 0x0094;
/// MAC_Interrupt_Status.
pub const MAC_INT_STATUS: u32 = 0x00b0;
/// MAC_Interrupt_Enable.
pub const MAC_INT_EN: u32 = 0x00b4;
/// MAC_Rx_Tx_Status.
pub const MAC_RX_TX_STATUS: u32 = 0x00b8;
/// MAC_PMT_Control_Status.
pub const MAC_PMT: u32 = 0x00c0;
/// MAC_RWK_Packet_Filter.
pub const MAC_RWK_FILTER: u32 = 0x00c4;
/// MAC_LPI_Control_Status.
pub const MAC_LPI_CONTROL: u32 = 0x00d0;
/// MAC_LPI_Timers_Control.
pub const MAC_LPI_TIMERS: u32 = 0x00d4;
/// MAC_LPI_Entry_Timer.
pub const MAC_LPI_ENTRY: u32 = 0x00d8;
/// MAC_1US_Tic_Counter.
pub const MAC_1US_TIC: u32 = 0x00dc;
/// MAC_PHYIF_Control_Status.
pub const MAC_PHYIF: u32 = 0x00f8;
/// MAC_Version.
pub const MAC_VERSION: u32 = 0x0110;
/// MAC_Debug.
pub const MAC_DEBUG: u32 = 0x0114;
/// MAC_HW_Feature0.
pub const MAC_HW_FEATURE0: u32 = 0x011c;
/// MAC_HW_Feature1.
pub const MAC_HW_FEATURE1: u32 = 0x0120;
/// MAC_HW_Feature2.
pub const MAC_HW_FEATURE2: u32 = 0x0124;
/// MAC_HW_Feature3.
pub const MAC_HW_FEATURE3: u32 = 0x0128;
/// MAC_MDIO_Address.
pub const MAC_MDIO_ADDR: u32 = 0x0200;
/// MAC_MDIO_Data.
pub const MAC_MDIO_DATA: u32 = 0x0204;
/// MAC_GPIO_Status.
pub const MAC_GPIO_STATUS: u32 = 0x020c;
/// MAC_ARP_Address.
pub const MAC_ARP_ADDR: u32 = 0x0210;
/// MAC_CSR_SW_Ctrl.
pub const MAC_CSR_SW_CTRL: u32 = 0x0230;
/// MAC_Ext_Cfg1.
pub const MAC_EXT_CFG1: u32 = 0x0238;
/// MAC_Address0_High; Low is the next word, further addresses follow.
pub const MAC_ADDR_HIGH: u32 = 0x0300;

/// MAC_Configuration: receiver enable.
pub const CONFIG_RE: u32 = bit(0);
/// Transmitter enable.
pub const CONFIG_TE: u32 = bit(1);
/// Loopback mode.
pub const CONFIG_LM: u32 = bit(12);
/// Duplex mode.
pub const CONFIG_DM: u32 = bit(13);
/// Fast Ethernet speed.
pub const CONFIG_FES: u32 = bit(14);
/// Port select: 10/100 Mbit/s.
pub const CONFIG_PS: u32 = bit(15);
/// Jumbo packet enable.
pub const CONFIG_JE: u32 = bit(16);
/// Jabber disable.
pub const CONFIG_JD: u32 = bit(17);
/// Watchdog disable.
pub const CONFIG_WD: u32 = bit(19);
/// Automatic pad or CRC stripping.
pub const CONFIG_ACS: u32 = bit(20);
/// CRC stripping for type packets.
pub const CONFIG_CST: u32 = bit(21);
/// IEEE 802.3as support for 2K packets.
pub const CONFIG_S2KP: u32 = bit(22);
/// Giant packet size limit control enable.
pub const CONFIG_GPSLCE: u32 = bit(23);
/// Checksum offload.
pub const CONFIG_IPC: u32 = bit(27);
/// ARP offload.
pub const CONFIG_ARPEN: u32 = bit(31);

/// MAC_Packet_Filter: promiscuous.
pub const FILTER_PR: u32 = bit(0);
/// Hash unicast.
pub const FILTER_HUC: u32 = bit(1);
/// Hash multicast.
pub const FILTER_HMC: u32 = bit(2);
/// DA inverse filtering.
pub const FILTER_DAIF: u32 = bit(3);
/// Pass all multicast.
pub const FILTER_PM: u32 = bit(4);
/// Disable broadcast packets.
pub const FILTER_DBF: u32 = bit(5);
/// SA inverse filtering.
pub const FILTER_SAIF: u32 = bit(8);
/// SA filter.
pub const FILTER_SAF: u32 = bit(9);
/// Hash or perfect filter.
pub const FILTER_HPF: u32 = bit(10);
/// VLAN tag filter enable.
pub const FILTER_VTFE: u32 = bit(16);
/// Layer 3 and layer 4 filter.
pub const FILTER_IPFE: u32 = bit(20);
/// Drop packets without TCP or UDP over IP.
pub const FILTER_DNTU: u32 = bit(21);
/// Receive all.
pub const FILTER_RA: u32 = bit(31);

/// MAC_L3_L4_Control0: first register of the first filter.
pub const MAC_L3L4: u32 = 0x0900;
/// Distance between the filters for IP addresses and ports.
pub const L3L4_STRIDE: u32 = 0x30;
/// MAC_DPP_FSM_Interrupt_Status.
pub const MAC_DPP_FSM_STATUS: u32 = 0x0140;
/// MAC_FSM_Control.
pub const MAC_FSM_CONTROL: u32 = 0x0148;
/// MTL_ECC_Control.
pub const MTL_ECC_CONTROL: u32 = 0x0cc0;
/// MTL_Safety_Interrupt_Status.
pub const MTL_SAFETY_STATUS: u32 = 0x0cc4;
/// MTL_ECC_Interrupt_Enable.
pub const MTL_ECC_INT_EN: u32 = 0x0cc8;
/// MTL_ECC_Interrupt_Status.
pub const MTL_ECC_STATUS: u32 = 0x0ccc;
/// MTL_DPP_Control.
pub const MTL_DPP_CONTROL: u32 = 0x0ce0;
/// DMA_Safety_Interrupt_Status.
pub const DMA_SAFETY_STATUS: u32 = 0x1080;
/// DMA_ECC_Interrupt_Enable.
pub const DMA_ECC_INT_EN: u32 = 0x1084;
/// DMA_ECC_Interrupt_Status.
pub const DMA_ECC_STATUS: u32 = 0x1088;

/// MTL_ECC_Control: transmit FIFO.
pub const ECC_MTXEE: u32 = bit(0);
/// Receive FIFO.
pub const ECC_MRXEE: u32 = bit(1);
/// TSO memory.
pub const ECC_TSOEE: u32 = bit(4);
/// MTL_DPP_Control: parity of the data path.
pub const DPP_EDPP: u32 = bit(0);
/// Parity of the bus.
pub const DPP_EPSI: u32 = bit(2);
/// MAC_FSM_Control: timeouts of state machines.
pub const FSM_TMOUTEN: u32 = bit(0);
/// Parity of state machines.
pub const FSM_PRTYEN: u32 = bit(1);

/// MAC_Timestamp_Control: first register of the time stamp unit.
pub const MAC_TS_CONTROL: u32 = 0x0b00;
/// MAC_Sub_Second_Increment.
pub const MAC_SUB_SECOND: u32 = 0x0b04;
/// MAC_System_Time_Seconds.
pub const MAC_SYSTEM_SECS: u32 = 0x0b08;
/// MAC_System_Time_Nanoseconds.
pub const MAC_SYSTEM_NSECS: u32 = 0x0b0c;
/// MAC_System_Time_Seconds_Update.
pub const MAC_SECS_UPDATE: u32 = 0x0b10;
/// MAC_System_Time_Nanoseconds_Update.
pub const MAC_NSECS_UPDATE: u32 = 0x0b14;
/// MAC_Timestamp_Addend.
pub const MAC_ADDEND: u32 = 0x0b18;
/// MAC_Timestamp_Status.
pub const MAC_TS_STATUS: u32 = 0x0b20;
/// MAC_Tx_Timestamp_Status_Nanoseconds.
pub const MAC_TX_TS_NSECS: u32 = 0x0b30;
/// MAC_Tx_Timestamp_Status_Seconds.
pub const MAC_TX_TS_SECS: u32 = 0x0b34;
/// MAC_Timestamp_Ingress_Corr_Nanosecond.
pub const MAC_TS_INGRESS_NSECS: u32 = 0x0b58;
/// MAC_Timestamp_Egress_Corr_Nanosecond.
pub const MAC_TS_EGRESS_NSECS: u32 = 0x0b5c;
/// MAC_Timestamp_Ingress_Corr_Subnanosec; Egress is the next word.
pub const MAC_TS_INGRESS_SUBNS: u32 = 0x0b60;
/// MAC_Timestamp_Ingress_Latency; Egress is the next word.
pub const MAC_TS_INGRESS_LATENCY: u32 = 0x0b68;

/// MAC_PMT_Control_Status: power down.
pub const PMT_PWRDWN: u32 = bit(0);
/// Magic packet enable.
pub const PMT_MGKPKTEN: u32 = bit(1);
/// Remote wake-up packet enable.
pub const PMT_RWKPKTEN: u32 = bit(2);
/// Magic packet received.
pub const PMT_MGKPRCVD: u32 = bit(5);
/// Remote wake-up packet received.
pub const PMT_RWKPRCVD: u32 = bit(6);
/// Every unicast packet for us is a wake-up packet.
pub const PMT_GLBLUCAST: u32 = bit(9);
/// Awake, but nothing passes before a wake-up packet.
pub const PMT_RWKPFE: u32 = bit(10);
/// Remote wake-up packet filter pointer reset.
pub const PMT_RWKFILTRST: u32 = bit(31);

/// MAC_LPI_Control_Status: the transmitter entered LPI.
pub const LPI_TLPIEN: u32 = bit(0);
/// The transmitter left LPI.
pub const LPI_TLPIEX: u32 = bit(1);
/// The receiver entered LPI.
pub const LPI_RLPIEN: u32 = bit(2);
/// The receiver left LPI.
pub const LPI_RLPIEX: u32 = bit(3);
/// The events.
pub const LPI_EVENTS: u32 = LPI_TLPIEN | LPI_TLPIEX | LPI_RLPIEN | LPI_RLPIEX;
/// The transmitter is in LPI.
pub const LPI_TLPIST: u32 = bit(8);
/// The receiver is in LPI.
pub const LPI_RLPIST: u32 = bit(9);
/// LPI enable.
pub const LPI_EN: u32 = bit(16);
/// PHY link status.
pub const LPI_PLS: u32 = bit(17);
/// The link status of the RGMII counts as well.
pub const LPI_PLSEN: u32 = bit(18);
/// LPI is left for a packet.
pub const LPI_TXA: u32 = bit(19);
/// LPI is entered by a timer.
pub const LPI_ATE: u32 = bit(20);
/// MAC_LPI_Entry_Timer: its bits.
pub const LPI_ENTRY_MASK: u32 = mask(19, 3);

/// MAC_Timestamp_Control: enable.
pub const TS_ENA: u32 = bit(0);
/// Fine update.
pub const TS_CFUPDT: u32 = bit(1);
/// Initialise the system time.
pub const TS_INIT: u32 = bit(2);
/// Add to or subtract from the system time.
pub const TS_UPDT: u32 = bit(3);
/// Take over the addend.
pub const TS_ADDREG: u32 = bit(5);
/// What the unit clears once it is done.
pub const TS_COMMANDS: u32 = TS_INIT | TS_UPDT | TS_ADDREG;
/// Time stamps for all received packets.
pub const TS_ENALL: u32 = bit(8);
/// Digital rollover.
pub const TS_CTRLSSR: u32 = bit(9);
/// PTP version 2.
pub const TS_VER2ENA: u32 = bit(10);
/// PTP over Ethernet.
pub const TS_IPENA: u32 = bit(11);
/// PTP over UDP and IPv6.
pub const TS_IPV6ENA: u32 = bit(12);
/// PTP over UDP and IPv4.
pub const TS_IPV4ENA: u32 = bit(13);
/// Event messages only.
pub const TS_EVNTENA: u32 = bit(14);
/// Messages that matter to a master.
pub const TS_MSTRENA: u32 = bit(15);
/// PTP over Ethernet has to be addressed to this node or to PTP's groups.
pub const TS_ENMACADDR: u32 = bit(18);
/// A transmit time stamp that nobody read is overwritten.
pub const TS_TXTSSTSM: u32 = bit(24);
/// MAC_System_Time_Nanoseconds_Update: subtract.
pub const ADDSUB: u32 = bit(31);
/// MAC_Timestamp_Status: the seconds overflowed.
pub const TS_SSOVF: u32 = bit(0);
/// A transmit time stamp is in its registers.
pub const TS_TXTSSIS: u32 = bit(15);
/// MAC_Tx_Timestamp_Status_Nanoseconds: one was lost.
pub const TX_TS_MISSED: u32 = bit(31);

/// MAC_VLAN_Tag_Ctrl: operation busy.
pub const VLAN_OB: u32 = bit(0);
/// Command type: read.
pub const VLAN_CT: u32 = bit(1);
/// MAC_VLAN_Tag: compare the identifier only.
pub const VLAN_ETV: u32 = bit(16);
/// Inverse match.
pub const VLAN_VTIM: u32 = bit(17);
/// S-VLAN tags are tags.
pub const VLAN_ESVL: u32 = bit(18);
/// Match S-VLAN tags.
pub const VLAN_ERSVLM: u32 = bit(19);
/// Do not compare the tag's type.
pub const VLAN_DOVLTC: u32 = bit(20);
/// Outer tag in the status.
pub const VLAN_EVLRXS: u32 = bit(24);
/// Hash match.
pub const VLAN_VTHM: u32 = bit(25);
/// Double VLAN processing.
pub const VLAN_EDVLP: u32 = bit(26);
/// Match the inner tag.
pub const VLAN_ERIVLT: u32 = bit(27);
/// Inner tag in the status.
pub const VLAN_EIVLRXS: u32 = bit(31);
/// MAC_VLAN_Tag_Data: filter enable.
pub const VLAN_DATA_VEN: u32 = bit(16);
/// Compare the identifier only.
pub const VLAN_DATA_ETV: u32 = bit(17);
/// Do not compare the tag's type.
pub const VLAN_DATA_DOVLTC: u32 = bit(18);
/// Match S-VLAN tags.
pub const VLAN_DATA_ERSVLM: u32 = bit(19);
/// Match the inner tag.
pub const VLAN_DATA_ERIVLT: u32 = bit(20);
/// MAC_VLAN_Incl: the register's VLC decides, not the descriptor.
pub const INCL_VLP: u32 = bit(18);
/// S-VLAN.
pub const INCL_CSVL: u32 = bit(19);
/// The tag comes from the descriptor.
pub const INCL_VLTI: u32 = bit(20);

/// MAC_Interrupt_Status: RGMII link changed.
pub const INT_RGSMIIIS: u32 = bit(0);
/// PMT interrupt.
pub const INT_PMTIS: u32 = bit(4);
/// LPI interrupt.
pub const INT_LPIIS: u32 = bit(5);
/// One of the MMC interrupts.
pub const INT_MMCIS: u32 = bit(8);
/// MMC receive interrupt.
pub const INT_MMCRXIS: u32 = bit(9);
/// MMC transmit interrupt.
pub const INT_MMCTXIS: u32 = bit(10);
/// MMC receive checksum offload interrupt.
pub const INT_MMCRXIPIS: u32 = bit(11);
/// Time stamp interrupt.
pub const INT_TSIS: u32 = bit(12);
/// Transmit status interrupt.
pub const INT_TXSTSIS: u32 = bit(13);
/// Receive status interrupt.
pub const INT_RXSTSIS: u32 = bit(14);
/// MDIO interrupt.
pub const INT_MDIOIS: u32 = bit(18);

/// MAC_Rx_Tx_Status: jabber timeout.
pub const RXTX_TJT: u32 = bit(0);
/// Receive watchdog timeout.
pub const RXTX_RWT: u32 = bit(8);

// MMC.
/// MMC_Control.
pub const MMC_CONTROL: u32 = 0x0700;
/// MMC_Rx_Interrupt.
pub const MMC_RX_INT: u32 = 0x0704;
/// MMC_Tx_Interrupt.
pub const MMC_TX_INT: u32 = 0x0708;
/// MMC_Rx_Interrupt_Mask.
pub const MMC_RX_INT_MASK: u32 = 0x070c;
/// MMC_Tx_Interrupt_Mask.
pub const MMC_TX_INT_MASK: u32 = 0x0710;
/// First transmit counter.
pub const MMC_TX: u32 = 0x0714;
/// First receive counter.
pub const MMC_RX: u32 = 0x0780;
/// First LPI counter: transmit microseconds and transitions, then receive.
pub const MMC_LPI: u32 = 0x07ec;
/// MMC_IPC_Rx_Interrupt_Mask.
pub const MMC_IPC_INT_MASK: u32 = 0x0800;
/// MMC_IPC_Rx_Interrupt.
pub const MMC_IPC_INT: u32 = 0x0808;
/// First receive checksum offload packet counter.
pub const MMC_IPC: u32 = 0x0810;
/// First receive checksum offload octet counter.
pub const MMC_IPC_OCTETS: u32 = 0x0850;

// MTL.
/// MTL_Operation_Mode.
pub const MTL_OPERATION_MODE: u32 = 0x0c00;
/// MTL_Operation_Mode: receive queues are served by weight, else the highest first.
pub const MTL_RAA: u32 = bit(2);
/// MTL_Interrupt_Status.
pub const MTL_INT_STATUS: u32 = 0x0c20;
/// MTL_RxQ_DMA_Map0.
pub const MTL_RXQ_DMA_MAP: u32 = 0x0c30;
/// First MTL queue.
pub const MTL_Q: u32 = 0x0d00;
/// Distance between MTL queues.
pub const MTL_Q_STRIDE: u32 = 0x40;
/// MTL_TxQ_Operation_Mode.
pub const MTL_TXQ_MODE: u32 = 0x00;
/// MTL_TxQ_Underflow.
pub const MTL_TXQ_UNDERFLOW: u32 = 0x04;
/// MTL_TxQ_Debug.
pub const MTL_TXQ_DEBUG: u32 = 0x08;
/// MTL_TxQ_Debug: TXQSTS, and a PTXQ of one.
pub const TXQ_ONE_WAITS: u32 = bit(4) | bit(16);
/// MTL_TxQ_Quantum_Weight.
pub const MTL_TXQ_WEIGHT: u32 = 0x18;
/// MTL_Q_Interrupt_Control_Status.
pub const MTL_Q_INT: u32 = 0x2c;
/// MTL_RxQ_Operation_Mode.
pub const MTL_RXQ_MODE: u32 = 0x30;
/// MTL_RxQ_Missed_Packet_Overflow_Cnt.
pub const MTL_RXQ_MISSED: u32 = 0x34;
/// MTL_RxQ_Debug.
pub const MTL_RXQ_DEBUG: u32 = 0x38;
/// MTL_RxQ_Control: weight, arbitration by packets.
pub const MTL_RXQ_CONTROL: u32 = 0x3c;
/// MTL_RxQ_Control: weights count packets, not bursts.
pub const RXQ_FRM_ARBIT: u32 = bit(3);

/// MTL_Operation_Mode: drop the status of transmitted packets.
pub const DTXSTS: u32 = bit(1);
/// MTL_TxQ_Operation_Mode: flush.
pub const TXQ_FTQ: u32 = bit(0);
/// Store and forward.
pub const TXQ_TSF: u32 = bit(1);
/// MTL_Q_Interrupt_Control_Status: transmit queue underflow.
pub const Q_TXUNFIS: u32 = bit(0);
/// Transmit queue underflow interrupt enable.
pub const Q_TXUIE: u32 = bit(8);
/// MTL_Q_Interrupt_Control_Status: receive queue overflow.
pub const Q_RXOVFIS: u32 = bit(16);
/// Receive queue overflow interrupt enable.
pub const Q_RXOIE: u32 = bit(24);
/// MTL_RxQ_Operation_Mode: forward undersized good packets.
pub const RXQ_FUP: u32 = bit(3);
/// Forward error packets.
pub const RXQ_FEP: u32 = bit(4);
/// Store and forward.
pub const RXQ_RSF: u32 = bit(5);
/// Do not drop packets that only have checksum errors.
pub const RXQ_DIS_TCP_EF: u32 = bit(6);
/// Enable hardware flow control.
pub const RXQ_EHFC: u32 = bit(7);

// DMA.
/// DMA_Mode.
pub const DMA_MODE: u32 = 0x1000;
/// DMA_SysBus_Mode.
pub const DMA_SYSBUS: u32 = 0x1004;
/// DMA_Interrupt_Status.
pub const DMA_INT_STATUS: u32 = 0x1008;
/// DMA_Debug_Status0.
pub const DMA_DEBUG0: u32 = 0x100c;
/// First DMA channel.
pub const DMA_CH: u32 = 0x1100;
/// Distance between DMA channels.
pub const DMA_CH_STRIDE: u32 = 0x80;
/// DMA_CH_Control.
pub const CH_CONTROL: u32 = 0x00;
/// DMA_CH_Tx_Control.
pub const CH_TX_CONTROL: u32 = 0x04;
/// DMA_CH_Rx_Control.
pub const CH_RX_CONTROL: u32 = 0x08;
/// DMA_CH_TxDesc_List_HAddress.
pub const CH_TX_BASE_HI: u32 = 0x10;
/// DMA_CH_TxDesc_List_Address.
pub const CH_TX_BASE: u32 = 0x14;
/// DMA_CH_RxDesc_List_HAddress.
pub const CH_RX_BASE_HI: u32 = 0x18;
/// DMA_CH_RxDesc_List_Address.
pub const CH_RX_BASE: u32 = 0x1c;
/// DMA_CH_TxDesc_Tail_Pointer.
pub const CH_TX_TAIL: u32 = 0x20;
/// DMA_CH_RxDesc_Tail_Pointer.
pub const CH_RX_TAIL: u32 = 0x28;
/// DMA_CH_TxDesc_Ring_Length.
pub const CH_TX_LEN: u32 = 0x2c;
/// DMA_CH_RxDesc_Ring_Length.
pub const CH_RX_LEN: u32 = 0x30;
/// DMA_CH_Interrupt_Enable.
pub const CH_INT_EN: u32 = 0x34;
/// DMA_CH_Rx_Interrupt_Watchdog_Timer.
pub const CH_RIWT: u32 = 0x38;
/// DMA_CH_Slot_Function_Control_Status.
pub const CH_SLOT: u32 = 0x3c;
/// DMA_CH_Current_App_TxDesc.
pub const CH_CUR_TX: u32 = 0x44;
/// DMA_CH_Current_App_RxDesc.
pub const CH_CUR_RX: u32 = 0x4c;
/// DMA_CH_Current_App_TxBuffer_H.
pub const CH_CUR_TX_BUF_HI: u32 = 0x50;
/// DMA_CH_Current_App_TxBuffer.
pub const CH_CUR_TX_BUF: u32 = 0x54;
/// DMA_CH_Current_App_RxBuffer_H.
pub const CH_CUR_RX_BUF_HI: u32 = 0x58;
/// DMA_CH_Current_App_RxBuffer.
pub const CH_CUR_RX_BUF: u32 = 0x5c;
/// DMA_CH_Status.
pub const CH_STATUS: u32 = 0x60;

/// DMA_Mode: software reset.
pub const MODE_SWR: u32 = bit(0);
/// DMA_SysBus_Mode: enhanced address mode enable.
pub const SYSBUS_EAME: u32 = bit(11);
/// DMA_CH_Control: split header and payload.
pub const CH_SPH: u32 = bit(24);
/// DMA_CH_Tx_Control: start.
pub const TX_ST: u32 = bit(0);
/// DMA_CH_Tx_Control: TCP segmentation enable.
pub const TX_TSE: u32 = bit(12);
/// DMA_CH_Tx_Control: enhanced descriptor enable.
pub const TX_EDSE: u32 = bit(28);
/// DMA_CH_Rx_Control: start.
pub const RX_SR: u32 = bit(0);
/// DMA_CH_Rx_Control: receive packet flush.
pub const RX_RPF: u32 = bit(31);

/// DMA_CH_Status: transmit interrupt.
pub const ST_TI: u32 = bit(0);
/// Transmit process stopped.
pub const ST_TPS: u32 = bit(1);
/// Transmit buffer unavailable.
pub const ST_TBU: u32 = bit(2);
/// Receive interrupt.
pub const ST_RI: u32 = bit(6);
/// Receive buffer unavailable.
pub const ST_RBU: u32 = bit(7);
/// Receive process stopped.
pub const ST_RPS: u32 = bit(8);
/// Receive watchdog timeout.
pub const ST_RWT: u32 = bit(9);
/// Early transmit interrupt.
pub const ST_ETI: u32 = bit(10);
/// Early receive interrupt.
pub const ST_ERI: u32 = bit(11);
/// Fatal bus error.
pub const ST_FBE: u32 = bit(12);
/// Context descriptor error.
pub const ST_CDE: u32 = bit(13);
/// Events that NIS summarises.
pub const ST_NORMAL: u32 = ST_TI | ST_TBU | ST_RI | ST_ERI;
/// Events that AIS summarises.
pub const ST_ABNORMAL: u32 = ST_TPS | ST_RBU | ST_RPS | ST_RWT | ST_ETI | ST_FBE | ST_CDE;

/// Offset of a register of MTL queue `q`.
pub const fn mtl(q: usize, reg: u32) -> u32 {
    MTL_Q + q as u32 * MTL_Q_STRIDE + reg
}

/// Offset of a register of DMA channel `c`.
pub const fn ch(c: usize, reg: u32) -> u32 {
    DMA_CH + c as u32 * DMA_CH_STRIDE + reg
}

/// Where a channel's summary bits are. Release 4.00 has them one bit higher than later ones.
pub struct Summary {
    /// Normal interrupt summary (and its enable).
    pub nis: u32,
    /// Abnormal interrupt summary (and its enable).
    pub ais: u32,
}

/// The summary bits of a release.
pub const fn summary(version: u8) -> Summary {
    if version < 0x41 {
        Summary {
            nis: bit(16),
            ais: bit(15),
        }
    } else {
        Summary {
            nis: bit(15),
            ais: bit(14),
        }
    }
}

/// Offset of DMA_CH_Miss_Frame_Cnt, which moved with release 5.00.
pub const fn miss_frame_cnt(version: u8) -> u32 {
    if version < 0x50 {
        0x6c
    } else {
        0x64
    }
}

/// The registers that exist in a configuration.
pub fn defs(cfg: &Config) -> Vec<Def> {
    let rxq = cfg.rx_queues as u32;
    let txq = cfg.tx_queues as u32;
    let channels = rxq.max(txq);
    // Two bits a queue.
    let queue_enables = u32::MAX >> (32 - 2 * rxq);

    let mut d = vec![
        Def::rw(
            MAC_CONFIG,
            "MAC_Configuration",
            CONFIG_DM,
            // DM is fixed in a full-duplex-only core.
            mask(27, 14)
                | mask(12, 8)
                | mask(6, 0)
                | if cfg.sa_vlan_ins { mask(30, 28) } else { 0 }
                | if cfg.arp { CONFIG_ARPEN } else { 0 },
        ),
        Def::rw(
            MAC_EXT_CONFIG,
            "MAC_Ext_Configuration",
            0,
            mask(13, 0) | mask(29, 24) | bit(16) | if cfg.sph { mask(22, 20) } else { 0 },
        ),
        Def::rw(
            MAC_PACKET_FILTER,
            "MAC_Packet_Filter",
            0,
            mask(10, 0)
                | FILTER_VTFE
                | FILTER_RA
                | if cfg.l3l4 > 0 {
                    FILTER_IPFE | FILTER_DNTU
                } else {
                    0
                },
        ),
        Def::rw(MAC_WATCHDOG, "MAC_Watchdog_Timeout", 0, bit(8) | mask(3, 0)),
        Def::rw(
            MAC_TX_FLOW,
            "MAC_Tx_Flow_Ctrl_Q",
            0,
            mask(31, 16) | mask(7, 4) | bit(1),
        )
        .sc(bit(0))
        .array(txq, 4),
        Def::rw(MAC_RX_FLOW, "MAC_Rx_Flow_Ctrl", 0, mask(1, 0)),
        Def::rw(
            MAC_RXQ_CTRL0,
            "MAC_RxQ_Ctrl0",
            if rxq == 1 { 2 } else { 0 },
            queue_enables,
        ),
        Def::ro(MAC_INT_STATUS, "MAC_Interrupt_Status", 0),
        Def::rw(
            MAC_INT_EN,
            "MAC_Interrupt_Enable",
            0,
            INT_RGSMIIIS
                | INT_TXSTSIS
                | INT_RXSTSIS
                | INT_MDIOIS
                | if cfg.ts { INT_TSIS } else { 0 }
                | if cfg.eee { INT_LPIIS } else { 0 }
                | if cfg.pmt { INT_PMTIS } else { 0 },
        ),
        Def::ro(MAC_RX_TX_STATUS, "MAC_Rx_Tx_Status", 0).rc(mask(8, 0)),
        Def::ro(MAC_VERSION, "MAC_Version", 0x1000 | u32::from(cfg.version)),
        Def::ro(MAC_DEBUG, "MAC_Debug", 0),
        Def::ro(MAC_HW_FEATURE0, "MAC_HW_Feature0", feature0(cfg)),
        Def::ro(MAC_HW_FEATURE1, "MAC_HW_Feature1", feature1(cfg)),
        Def::ro(MAC_HW_FEATURE2, "MAC_HW_Feature2", feature2(cfg)),
        Def::ro(MAC_HW_FEATURE3, "MAC_HW_Feature3", feature3(cfg)),
        Def::rw(
            MAC_MDIO_ADDR,
            "MAC_MDIO_Address",
            0,
            mask(27, 16) | mask(14, 8) | mask(4, 1),
        )
        .sc(bit(0)),
        Def::rw(MAC_MDIO_DATA, "MAC_MDIO_Data", 0, u32::MAX),
        // General purpose outputs; the SoC decides what hangs there.
        Def::rw(MAC_GPIO_STATUS, "MAC_GPIO_Status", 0, mask(19, 16)),
        Def::rw(MAC_CSR_SW_CTRL, "MAC_CSR_SW_Ctrl", 0, 0),
        Def::rw(
            MMC_CONTROL,
            "MMC_Control",
            0,
            bit(1) | bit(2) | bit(3) | bit(5) | bit(8),
        )
        .sc(bit(0) | bit(4)),
        Def::ro(MMC_RX_INT, "MMC_Rx_Interrupt", 0).rc(u32::MAX),
        Def::ro(MMC_TX_INT, "MMC_Tx_Interrupt", 0).rc(u32::MAX),
        Def::rw(MMC_RX_INT_MASK, "MMC_Rx_Interrupt_Mask", 0, mask(27, 0)),
        Def::rw(MMC_TX_INT_MASK, "MMC_Tx_Interrupt_Mask", 0, mask(27, 0)),
        Def::ro(MMC_TX, "MMC_Tx_", 0).array(26, 4),
        Def::ro(MMC_RX, "MMC_Rx_", 0).array(26, 4),
        Def::rw(
            MMC_IPC_INT_MASK,
            "MMC_IPC_Rx_Interrupt_Mask",
            0,
            mask(13, 0) | mask(29, 16),
        ),
        Def::ro(MMC_IPC_INT, "MMC_IPC_Rx_Interrupt", 0).rc(u32::MAX),
        Def::ro(MMC_IPC, "MMC_IPC_Rx_", 0).array(14, 4),
        Def::ro(MMC_IPC_OCTETS, "MMC_IPC_Rx_Octets_", 0).array(14, 4),
        Def::rw(
            MTL_OPERATION_MODE,
            "MTL_Operation_Mode",
            0,
            mask(6, 5) | bit(2) | bit(1),
        )
        .sc(mask(9, 8)),
        Def::ro(MTL_INT_STATUS, "MTL_Interrupt_Status", 0),
        Def::rw(
            DMA_MODE,
            "DMA_Mode",
            0,
            mask(4, 1) | mask(14, 11) | mask(17, 16) | bit(8),
        )
        .sc(MODE_SWR),
        Def::rw(
            DMA_SYSBUS,
            "DMA_SysBus_Mode",
            0x0101_0000,
            mask(27, 24) | mask(19, 16) | mask(15, 12) | SYSBUS_EAME | mask(7, 0) | mask(31, 30),
        ),
        Def::ro(DMA_INT_STATUS, "DMA_Interrupt_Status", 0),
        Def::ro(DMA_DEBUG0, "DMA_Debug_Status", 0).array(3, 4),
    ];

    if cfg.is_rgmii() {
        d.push(Def::rw(
            MAC_PHYIF,
            "MAC_PHYIF_Control_Status",
            0,
            mask(1, 0),
        ));
    }
    if cfg.hash_bits > 0 {
        d.push(
            Def::rw(MAC_HASH, "MAC_Hash_Table_Reg", 0, u32::MAX)
                .array(u32::from(cfg.hash_bits) / 32, 4),
        );
    }
    let inner = if cfg.dvlan {
        VLAN_EIVLRXS | mask(29, 28) | VLAN_ERIVLT | VLAN_EDVLP
    } else {
        0
    };
    let hash = if cfg.vlan_hash { VLAN_VTHM } else { 0 };
    let tag = inner | hash | VLAN_EVLRXS | mask(22, 16);
    match u32::from(cfg.vlan_filters) {
        1 => d.push(Def::rw(MAC_VLAN_TAG, "MAC_VLAN_Tag", 0, tag | mask(15, 0))),
        n => {
            let offsets = (n.next_power_of_two() - 1) << 2;
            d.push(
                Def::rw(
                    MAC_VLAN_TAG,
                    "MAC_VLAN_Tag_Ctrl",
                    0,
                    tag | offsets | VLAN_CT,
                )
                .sc(VLAN_OB),
            );
            let filter = mask(19, 0) | if cfg.dvlan { VLAN_DATA_ERIVLT } else { 0 };
            d.push(Def::rw(MAC_VLAN_TAG_DATA, "MAC_VLAN_Tag_Data", 0, filter));
        }
    }
    if cfg.sph && cfg.version >= 0x51 {
        // The reset value splits behind the type field. Splitting of AV packets (SAVE, SAVO) is stored only.
        d.push(Def::rw(
            MAC_EXT_CFG1,
            "MAC_Ext_Cfg1",
            2,
            bit(24) | mask(22, 16) | mask(9, 8) | mask(6, 0),
        ));
    }
    if cfg.vlan_hash {
        d.push(Def::rw(
            MAC_VLAN_HASH,
            "MAC_VLAN_Hash_Table",
            0,
            mask(15, 0),
        ));
    }
    if cfg.sa_vlan_ins {
        d.push(Def::rw(MAC_VLAN_INCL, "MAC_VLAN_Incl", 0, mask(20, 0)));
        if cfg.dvlan {
            d.push(Def::rw(
                MAC_INNER_VLAN_INCL,
                "MAC_Inner_VLAN_Incl",
                0,
                mask(20, 0),
            ));
        }
    }
    if rxq > 1 {
        let q = 7;
        let ptpq = if cfg.ts { q << 4 } else { 0 };
        d.push(Def::rw(
            MAC_RXQ_CTRL1,
            "MAC_RxQ_Ctrl1",
            0,
            q | ptpq | q << 8 | q << 12 | q << 16 | bit(20),
        ));
        d.push(Def::rw(
            MAC_RXQ_CTRL2,
            "MAC_RxQ_Ctrl2",
            0,
            u32::MAX >> (8 * (4 - rxq.min(4))),
        ));
        if rxq > 4 {
            d.push(Def::rw(
                MAC_RXQ_CTRL2 + 4,
                "MAC_RxQ_Ctrl3",
                0,
                u32::MAX >> (8 * (8 - rxq)),
            ));
        }
        // Queues for packets that failed the DA filter (unicast, multicast) or the VLAN filter.
        d.push(Def::rw(
            MAC_RXQ_CTRL4,
            "MAC_RxQ_Ctrl4",
            0,
            mask(3, 0) | mask(11, 8) | mask(19, 16),
        ));
        let map = |n: u32| {
            let mut m = 0;
            for _ in 0..n {
                m = m << 8 | 0x17;
            }
            m
        };
        d.push(Def::rw(
            MTL_RXQ_DMA_MAP,
            "MTL_RxQ_DMA_Map0",
            0,
            map(rxq.min(4)),
        ));
        if rxq > 4 {
            d.push(Def::rw(
                MTL_RXQ_DMA_MAP + 4,
                "MTL_RxQ_DMA_Map1",
                0,
                map(rxq - 4),
            ));
        }
    }

    if cfg.ts {
        d.extend(ts_defs(cfg));
    }
    if cfg.eee {
        d.extend(lpi_defs(cfg));
    }
    for i in 0..u32::from(cfg.l3l4) {
        let base = MAC_L3L4 + i * L3L4_STRIDE;
        let control = l3l4::control_mask(rxq > 1);
        d.push(Def::rw(base, "MAC_L3_L4_Control", 0, control));
        d.push(Def::rw(base + 4, "MAC_Layer4_Address", 0, u32::MAX));
        d.push(Def::rw(base + 0x10, "MAC_Layer3_Address", 0, u32::MAX).array(4, 4));
    }
    if cfg.arp {
        d.push(Def::rw(MAC_ARP_ADDR, "MAC_ARP_Address", 0, u32::MAX));
    }
    d.extend(safety_defs(cfg));
    if cfg.pmt {
        d.push(
            Def::rw(
                MAC_PMT,
                "MAC_PMT_Control_Status",
                0,
                PMT_PWRDWN | PMT_MGKPKTEN | PMT_RWKPKTEN | PMT_GLBLUCAST | PMT_RWKPFE,
            )
            .rc(PMT_MGKPRCVD | PMT_RWKPRCVD)
            .sc(PMT_RWKFILTRST),
        );
        d.push(Def::ro(MAC_RWK_FILTER, "MAC_RWK_Packet_Filter", 0));
    }

    // Address 0 is always enabled.
    d.push(Def::rw(
        MAC_ADDR_HIGH,
        "MAC_Address0_High",
        0x8000_0000 | addr_high(cfg),
        mask(18, 16) | mask(15, 0),
    ));
    d.push(Def::rw(
        MAC_ADDR_HIGH + 4,
        "MAC_Address0_Low",
        addr_low(cfg),
        u32::MAX,
    ));
    let extra = u32::from(cfg.mac_addrs);
    if extra > 0 {
        d.push(
            Def::rw(
                MAC_ADDR_HIGH + 8,
                "MAC_Address_High_1+",
                0xffff,
                mask(31, 24) | mask(18, 0),
            )
            .array(extra, 8),
        );
        d.push(
            Def::rw(MAC_ADDR_HIGH + 12, "MAC_Address_Low_1+", u32::MAX, u32::MAX).array(extra, 8),
        );
    }

    let tqs = cfg.tx_fifo / 256 - 1;
    let rqs = cfg.rx_fifo / 256 - 1;
    for q in 0..txq {
        let base = MTL_Q + q * MTL_Q_STRIDE;
        let (reset, sizing) = if txq == 1 {
            (tqs << 16 | 2 << 2, 0)
        } else {
            (0, mask(24, 16) | mask(3, 2))
        };
        d.push(
            Def::rw(
                base + MTL_TXQ_MODE,
                "MTL_TxQ_Operation_Mode",
                reset,
                sizing | mask(6, 4) | TXQ_TSF,
            )
            .sc(TXQ_FTQ),
        );
        d.push(Def::ro(base + MTL_TXQ_UNDERFLOW, "MTL_TxQ_Underflow", 0).rc(mask(11, 0)));
        d.push(Def::ro(base + MTL_TXQ_DEBUG, "MTL_TxQ_Debug", 0));
        d.push(Def::ro(base + 0x14, "MTL_TxQ_ETS_Status", 0));
        d.push(Def::rw(
            base + MTL_TXQ_WEIGHT,
            "MTL_TxQ_Quantum_Weight",
            0,
            mask(20, 0),
        ));
    }
    for q in 0..rxq.max(txq) {
        d.push(
            Def::rw(
                MTL_Q + q * MTL_Q_STRIDE + MTL_Q_INT,
                "MTL_Q_Interrupt_Control_Status",
                0,
                Q_TXUIE | Q_RXOIE,
            )
            .w1c(Q_TXUNFIS | Q_RXOVFIS),
        );
    }
    for q in 0..rxq {
        let base = MTL_Q + q * MTL_Q_STRIDE;
        let (reset, sizing) = if rxq == 1 {
            (rqs << 20, 0)
        } else {
            (0, mask(29, 20))
        };
        d.push(Def::rw(
            base + MTL_RXQ_MODE,
            "MTL_RxQ_Operation_Mode",
            reset,
            sizing | mask(19, 3) | mask(1, 0),
        ));
        d.push(
            Def::ro(
                base + MTL_RXQ_MISSED,
                "MTL_RxQ_Missed_Packet_Overflow_Cnt",
                0,
            )
            .rc(u32::MAX),
        );
        d.push(Def::ro(base + MTL_RXQ_DEBUG, "MTL_RxQ_Debug", 0));
        d.push(Def::rw(
            base + MTL_RXQ_CONTROL,
            "MTL_RxQ_Control",
            0,
            mask(3, 0),
        ));
    }

    let s = summary(cfg.version);
    let align = cfg.bus_bytes() - 1;
    let hi = cfg.addr_hi_mask();
    for c in 0..channels {
        let base = DMA_CH + c * DMA_CH_STRIDE;
        d.push(Def::rw(
            base + CH_CONTROL,
            "DMA_CH_Control",
            0,
            mask(20, 18)
                | bit(16)
                | if cfg.tso { mask(13, 0) } else { 0 }
                | if cfg.sph { CH_SPH } else { 0 },
        ));
        if c < txq {
            d.push(Def::rw(
                base + CH_TX_CONTROL,
                "DMA_CH_Tx_Control",
                0,
                mask(27, 24)
                    | mask(21, 16)
                    | bit(15)
                    | mask(4, 0)
                    | if cfg.edse { TX_EDSE } else { 0 }
                    | if cfg.tso { TX_TSE } else { 0 },
            ));
            d.push(Def::rw(
                base + CH_TX_BASE_HI,
                "DMA_CH_TxDesc_List_HAddress",
                0,
                hi,
            ));
            d.push(Def::rw(
                base + CH_TX_BASE,
                "DMA_CH_TxDesc_List_Address",
                0,
                !align,
            ));
            d.push(Def::rw(
                base + CH_TX_TAIL,
                "DMA_CH_TxDesc_Tail_Pointer",
                0,
                !align,
            ));
            d.push(Def::rw(
                base + CH_TX_LEN,
                "DMA_CH_TxDesc_Ring_Length",
                0,
                mask(9, 0),
            ));
            d.push(Def::ro(base + CH_CUR_TX, "DMA_CH_Current_App_TxDesc", 0));
            d.push(Def::ro(
                base + CH_CUR_TX_BUF_HI,
                "DMA_CH_Current_App_TxBuffer_H",
                0,
            ));
            d.push(Def::ro(
                base + CH_CUR_TX_BUF,
                "DMA_CH_Current_App_TxBuffer",
                0,
            ));
        }
        if c < rxq {
            d.push(Def::rw(
                base + CH_RX_CONTROL,
                "DMA_CH_Rx_Control",
                0,
                // RBSZ counts whole bus words.
                RX_RPF | mask(27, 24) | mask(21, 16) | (mask(14, 1) & !(align << 1)) | RX_SR,
            ));
            d.push(Def::rw(
                base + CH_RX_BASE_HI,
                "DMA_CH_RxDesc_List_HAddress",
                0,
                hi,
            ));
            d.push(Def::rw(
                base + CH_RX_BASE,
                "DMA_CH_RxDesc_List_Address",
                0,
                !align,
            ));
            d.push(Def::rw(
                base + CH_RX_TAIL,
                "DMA_CH_RxDesc_Tail_Pointer",
                0,
                !align,
            ));
            d.push(Def::rw(
                base + CH_RX_LEN,
                "DMA_CH_RxDesc_Ring_Length",
                0,
                mask(9, 0),
            ));
            d.push(Def::rw(
                base + CH_RIWT,
                "DMA_CH_Rx_Interrupt_Watchdog_Timer",
                0,
                mask(17, 16) | mask(7, 0),
            ));
            d.push(Def::ro(base + CH_CUR_RX, "DMA_CH_Current_App_RxDesc", 0));
            d.push(Def::ro(
                base + CH_CUR_RX_BUF_HI,
                "DMA_CH_Current_App_RxBuffer_H",
                0,
            ));
            d.push(Def::ro(
                base + CH_CUR_RX_BUF,
                "DMA_CH_Current_App_RxBuffer",
                0,
            ));
            d.push(
                Def::ro(
                    base + miss_frame_cnt(cfg.version),
                    "DMA_CH_Miss_Frame_Cnt",
                    0,
                )
                .rc(mask(15, 0)),
            );
        }
        d.push(Def::rw(
            base + CH_INT_EN,
            "DMA_CH_Interrupt_Enable",
            0,
            s.nis | s.ais | ST_NORMAL | ST_ABNORMAL,
        ));
        d.push(
            Def::ro(base + CH_STATUS, "DMA_CH_Status", 0)
                .w1c(s.nis | s.ais | ST_NORMAL | ST_ABNORMAL),
        );
    }
    d
}

/// The safety package.
fn safety_defs(cfg: &Config) -> Vec<Def> {
    let mut d = Vec::new();
    if cfg.asp >= 1 {
        d.extend([
            Def::rw(
                MTL_ECC_CONTROL,
                "MTL_ECC_Control",
                0,
                bit(8) | ECC_TSOEE | ECC_MRXEE | ECC_MTXEE,
            ),
            Def::ro(MTL_SAFETY_STATUS, "MTL_Safety_Interrupt_Status", 0),
            Def::rw(
                MTL_ECC_INT_EN,
                "MTL_ECC_Interrupt_Enable",
                0,
                bit(4) | bit(0),
            ),
            Def::ro(MTL_ECC_STATUS, "MTL_ECC_Interrupt_Status", 0).w1c(safety::MTL_ERRORS),
            Def::ro(DMA_SAFETY_STATUS, "DMA_Safety_Interrupt_Status", 0),
            Def::rw(DMA_ECC_INT_EN, "DMA_ECC_Interrupt_Enable", 0, bit(0)),
            Def::ro(DMA_ECC_STATUS, "DMA_ECC_Interrupt_Status", 0).w1c(safety::DMA_ERRORS),
        ]);
    }
    if cfg.asp >= 2 {
        let external = if cfg.asp >= 3 { DPP_EPSI } else { 0 };
        d.extend([
            Def::ro(MAC_DPP_FSM_STATUS, "MAC_DPP_FSM_Interrupt_Status", 0).w1c(safety::MAC_ERRORS),
            Def::rw(
                MAC_FSM_CONTROL,
                "MAC_FSM_Control",
                0,
                FSM_PRTYEN | FSM_TMOUTEN,
            ),
            Def::rw(
                MTL_DPP_CONTROL,
                "MTL_DPP_Control",
                0,
                bit(1) | DPP_EDPP | external,
            ),
        ]);
    }
    d
}

/// Low power idle.
fn lpi_defs(cfg: &Config) -> Vec<Def> {
    let plsen = if cfg.is_rgmii() { LPI_PLSEN } else { 0 };
    vec![
        Def::rw(
            MAC_LPI_CONTROL,
            "MAC_LPI_Control_Status",
            0,
            plsen | LPI_EN | LPI_PLS | LPI_TXA | LPI_ATE | bit(21),
        )
        .rc(LPI_EVENTS),
        // The link has to be up for a second.
        Def::rw(
            MAC_LPI_TIMERS,
            "MAC_LPI_Timers_Control",
            1000 << 16,
            mask(25, 0),
        ),
        Def::rw(MAC_LPI_ENTRY, "MAC_LPI_Entry_Timer", 0, LPI_ENTRY_MASK),
        Def::rw(MAC_1US_TIC, "MAC_1US_Tic_Counter", 0x63, mask(11, 0)),
        Def::ro(MMC_LPI, "MMC_LPI_Cntr", 0).array(4, 4),
    ]
}

/// The time stamp unit.
fn ts_defs(cfg: &Config) -> Vec<Def> {
    let v5 = cfg.version >= 0x50;
    let mut d = vec![
        Def::rw(
            MAC_TS_CONTROL,
            "MAC_Timestamp_Control",
            TS_IPV4ENA,
            TS_TXTSSTSM | mask(18, 8) | TS_CFUPDT | TS_ENA,
        )
        .sc(TS_COMMANDS),
        Def::rw(
            MAC_SUB_SECOND,
            "MAC_Sub_Second_Increment",
            0,
            mask(23, 16) | if v5 { mask(15, 8) } else { 0 },
        ),
        Def::ro(MAC_SYSTEM_SECS, "MAC_System_Time_Seconds", 0),
        Def::ro(MAC_SYSTEM_NSECS, "MAC_System_Time_Nanoseconds", 0),
        Def::rw(
            MAC_SECS_UPDATE,
            "MAC_System_Time_Seconds_Update",
            0,
            u32::MAX,
        ),
        Def::rw(
            MAC_NSECS_UPDATE,
            "MAC_System_Time_Nanoseconds_Update",
            0,
            u32::MAX,
        ),
        Def::rw(MAC_ADDEND, "MAC_Timestamp_Addend", 0, u32::MAX),
        Def::ro(MAC_TS_STATUS, "MAC_Timestamp_Status", 0).rc(TS_SSOVF),
        Def::ro(MAC_TX_TS_NSECS, "MAC_Tx_Timestamp_Status_Nanoseconds", 0),
        Def::ro(MAC_TX_TS_SECS, "MAC_Tx_Timestamp_Status_Seconds", 0),
        Def::rw(
            MAC_TS_INGRESS_NSECS,
            "MAC_Timestamp_Ingress_Corr_Nanosecond",
            0,
            u32::MAX,
        ),
        Def::rw(
            MAC_TS_EGRESS_NSECS,
            "MAC_Timestamp_Egress_Corr_Nanosecond",
            0,
            u32::MAX,
        ),
    ];
    if v5 {
        d.push(
            Def::rw(
                MAC_TS_INGRESS_SUBNS,
                "MAC_Timestamp_Corr_Subnanosec",
                0,
                mask(15, 8),
            )
            .array(2, 4),
        );
        // The model has no latency of its own.
        d.push(Def::ro(MAC_TS_INGRESS_LATENCY, "MAC_Timestamp_Latency", 0).array(2, 4));
    }
    d
}

fn addr_high(cfg: &Config) -> u32 {
    cfg.mac
        .map_or(0xffff, |m| u32::from(m[4]) | u32::from(m[5]) << 8)
}

fn addr_low(cfg: &Config) -> u32 {
    cfg.mac
        .map_or(u32::MAX, |m| u32::from_le_bytes([m[0], m[1], m[2], m[3]]))
}

fn feature0(cfg: &Config) -> u32 {
    let mut v = bit(0) | bit(1); // 10/100 and 1000 Mbit/s
    v |= bit(5); // SMASEL: station management
    v |= bit(8); // MMCSEL: counters
    v |= u32::from(cfg.vlan_hash) << 4; // VLHASH
    v |= u32::from(cfg.sa_vlan_ins) << 27; // SAVLANINS
    v |= u32::from(cfg.arp) << 9; // ARPOFFSEL
    v |= if cfg.pmt { bit(6) | bit(7) } else { 0 }; // RWKSEL, MGKSEL
    v |= u32::from(cfg.eee) << 13; // EEESEL
                                   // TSSEL, and TSSTSSEL: the time is made inside.
    v |= if cfg.ts { bit(12) | 1 << 25 } else { 0 };
    v |= bit(14) | bit(16); // TXCOESEL, RXCOESEL
    let extra = u32::from(cfg.mac_addrs);
    v |= extra.min(31) << 18; // ADDMACADRSEL
    v |= if extra > 31 { bit(23) } else { 0 }; // MACADR32SEL
    v |= if extra > 63 { bit(24) } else { 0 }; // MACADR64SEL
    v | u32::from(cfg.is_rgmii()) << 28 // ACTPHYSEL
}

fn feature1(cfg: &Config) -> u32 {
    let fifo = |size: u32| (size / 128).trailing_zeros();
    let addr = match cfg.addr_bits {
        32 => 0,
        40 => 1,
        _ => 2,
    };
    let hash = match cfg.hash_bits {
        64 => 1,
        128 => 2,
        256 => 3,
        _ => 0,
    };
    let tso = u32::from(cfg.tso) << 18 | u32::from(cfg.sph) << 17; // TSOEN, SPHEN
    let l3l4 = u32::from(cfg.l3l4); // L3L4FNUM
    fifo(cfg.rx_fifo) | fifo(cfg.tx_fifo) << 6 | addr << 14 | tso | hash << 24 | l3l4 << 27
}

fn feature2(cfg: &Config) -> u32 {
    let rx = cfg.rx_queues as u32 - 1;
    let tx = cfg.tx_queues as u32 - 1;
    rx | tx << 6 | rx << 12 | tx << 18
}

fn feature3(cfg: &Config) -> u32 {
    let nrvf = match cfg.vlan_filters {
        4 => 1,
        8 => 2,
        16 => 3,
        24 => 4,
        32 => 5,
        _ => 0,
    };
    nrvf | u32::from(cfg.dvlan) << 5 | u32::from(cfg.asp) << 28 // NRVF, DVLAN, ASP
}
