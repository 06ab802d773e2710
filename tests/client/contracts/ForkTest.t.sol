// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface Vm {
    function envAddress(string calldata name) external view returns (address);
    function envUint(string calldata name) external view returns (uint256);
    function envString(string calldata name) external view returns (string memory);
    function createSelectFork(string calldata url, uint256 block_) external returns (uint256);
    function load(address target, bytes32 slot) external view returns (bytes32);
    function prank(address from) external;
}

interface Store {
    function sum(uint256 from, uint256 count) external view returns (uint256);
    function fill(uint256 from, uint256 count) external;
    function notes(address who) external view returns (uint256);
    function note(uint256 value) external;
}

interface Token {
    function balanceOf(address who) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
}

/// Each test logs what it read: the log is compared with that of a run on the upstream itself.
contract ForkTest {
    Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_TEST = true;

    event Read(string what, uint256 value);

    function store() internal view returns (Store) {
        return Store(vm.envAddress("STORE"));
    }

    function testHundredSlots() external {
        emit Read("sum", store().sum(0, 100));
        emit Read("sum through the proxy", Store(vm.envAddress("PROXY")).sum(0, 10));
        emit Read("slot", uint256(vm.load(address(store()), bytes32(uint256(7)))));
    }

    function testAccounts() external {
        address stranger = vm.envAddress("STRANGER");
        emit Read("balance", stranger.balance);
        emit Read("tokens", Token(vm.envAddress("TOKEN")).balanceOf(stranger));
        emit Read("code", vm.envAddress("BIG").code.length);
        emit Read("code hash", uint256(vm.envAddress("BIG").codehash));
        emit Read("absent", address(0xdead).balance);
        emit Read("block", block.number);
        emit Read("hash", uint256(blockhash(block.number - 1)));
    }

    function testWrites() external {
        address stranger = vm.envAddress("STRANGER");
        vm.prank(stranger);
        Token(vm.envAddress("TOKEN")).transfer(address(0xbeef), 1);
        emit Read("tokens", Token(vm.envAddress("TOKEN")).balanceOf(address(0xbeef)));
        store().fill(350, 10);
        emit Read("sum", store().sum(345, 20));
        store().note(9);
        require(store().notes(address(this)) == 9, "a local write is lost");
    }

    function testOtherBlock() external {
        vm.createSelectFork(vm.envString("URL"), vm.envUint("EARLIER"));
        emit Read("sum", store().sum(190, 20));
        emit Read("balance", vm.envAddress("STRANGER").balance);
        emit Read("block", block.number);
    }
}
