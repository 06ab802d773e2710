// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Many slots, and loops that read them one after another: what makes a cold fork slow.
contract Store {
    uint256[400] public slots;
    mapping(address => uint256) public notes;

    event Filled(uint256 indexed from, uint256 count);

    function fill(uint256 from, uint256 count) external {
        for (uint256 i = from; i < from + count; i++) {
            slots[i] = uint256(keccak256(abi.encode(i))) >> 8;
        }
        emit Filled(from, count);
    }

    function sum(uint256 from, uint256 count) external view returns (uint256 total) {
        unchecked {
            for (uint256 i = from; i < from + count; i++) total += slots[i];
        }
    }

    function wealth(address[] calldata who) external view returns (uint256 total) {
        for (uint256 i = 0; i < who.length; i++) total += who[i].balance;
    }

    function note(uint256 value) external {
        notes[msg.sender] = value;
    }

    function fail(uint256 value) external pure {
        revert(string.concat("no ", value == 0 ? "zero" : "value"));
    }
}

contract Token {
    string public name = "Token";
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint256 supply) {
        totalSupply = supply;
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }
}

/// EIP-1967: code here, storage here, behaviour elsewhere.
contract Proxy {
    constructor(address implementation) {
        assembly {
            sstore(0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc, implementation)
        }
    }

    fallback() external payable {
        assembly {
            let target := sload(0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc)
            calldatacopy(0, 0, calldatasize())
            let good := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch good
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}

contract Child {
    uint256 public immutable number;
    address public parent;

    constructor(uint256 number_) {
        number = number_;
        parent = msg.sender;
    }
}

contract Factory {
    Child[] public children;

    function make(uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            children.push(new Child{salt: bytes32(children.length)}(children.length));
        }
    }

    function total() external view returns (uint256 result) {
        for (uint256 i = 0; i < children.length; i++) result += children[i].number();
    }
}

/// The part of Multicall3 that viem uses; viem is told its address.
contract Multicall3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (results[i].success, results[i].returnData) = calls[i].target.call(calls[i].callData);
            require(calls[i].allowFailure || results[i].success, "Multicall3: call failed");
        }
    }

    function getEthBalance(address who) external view returns (uint256) {
        return who.balance;
    }
}
